package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func addresses(texts ...string) (list []netip.Addr) {
	for _, t := range texts {
		list = append(list, netip.MustParseAddr(t))
	}
	return list
}

func TestLedger(t *testing.T) {
	t.Parallel()
	c := Config{StateFolder: t.TempDir()}
	pool := addresses("10.0.0.4", "10.0.0.5", "10.0.0.6")
	take := func(id string) (got netip.Addr, err error) {
		changeErr := c.change(func(l *ledger) error { got, err = l.take(attachment{id, "eth0"}, pool); return nil })
		if changeErr != nil {
			t.Fatal(changeErr)
		}
		return got, err
	}
	give := func(id string) {
		if err := c.change(func(l *ledger) error { l.give(attachment{id, "eth0"}); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range pool {
		if got, err := take(fmt.Sprint(i)); err != nil || got != want {
			t.Fatalf("pod %d gets %s, %v; want %s", i, got, err, want)
		}
	}
	if got, err := take("1"); err != nil || got != pool[1] {
		t.Errorf("asking again gives %s, %v", got, err)
	}
	if _, err := take("3"); !errors.Is(err, errNoAddress) {
		t.Errorf("a fourth pod: %v", err)
	}
	give("1")
	give("0")
	give("0")
	if got, _ := take("4"); got != pool[1] {
		t.Errorf("the address given back first was %s, and %s is given out", pool[1], got)
	}
	if got, _ := take("5"); got != pool[0] {
		t.Errorf("then %s", got)
	}
}

// runPlugin runs the plugin as a runtime does.
func runPlugin(t *testing.T, command, id, netns string, config Config) (int, map[string]any) {
	t.Helper()
	env := map[string]string{"CNI_COMMAND": command, "CNI_CONTAINERID": id, "CNI_IFNAME": "eth0", "CNI_NETNS": netns}
	in, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := Run(func(name string) string { return env[name] }, bytes.NewReader(in), &out)
	answer := map[string]any{}
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
			t.Fatalf("%s answers %q", command, out.String())
		}
	}
	return code, answer
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	good := Config{CNIVersion: "1.0.0", Type: Name, MTU: 1500, StateFolder: t.TempDir(), Addresses: addresses("10.0.0.4")}
	for name, c := range map[string]struct {
		command, id, netns string
		change             func(*Config)
		code               float64
	}{
		"old version":  {"ADD", "a", "/x", func(c *Config) { c.CNIVersion = "0.4.0" }, codeVersion},
		"no MTU":       {"ADD", "a", "/x", func(c *Config) { c.MTU = 0 }, codeConfig},
		"no container": {"ADD", "", "/x", nil, codeEnv},
		"no namespace": {"ADD", "a", "", nil, codeEnv},
		"no command":   {"", "a", "/x", nil, codeEnv},
		"bad netns":    {"ADD", "a", "/x", nil, codeOther},
		"unknown pod":  {"CHECK", "b", "/x", nil, codeOther},
	} {
		config := good
		if c.change != nil {
			c.change(&config)
		}
		code, answer := runPlugin(t, c.command, c.id, c.netns, config)
		if code != 1 || answer["code"] != c.code || answer["msg"] == "" {
			t.Errorf("%s: exit %d, %v; want code %v", name, code, answer, c.code)
		}
	}
	if code, _ := runPlugin(t, "ADD", "c", "/x", good); code == 0 {
		t.Error("the failed call has kept the only address, or this one has worked")
	}
	if code, answer := runPlugin(t, "VERSION", "", "", Config{}); code != 0 || len(answer["supportedVersions"].([]any)) != 2 {
		t.Errorf("VERSION: %d, %v", code, answer)
	}
}

// inNewNetwork runs a test on a thread in a network namespace of its own, a node, with the path of another one, a pod.
func inNewNetwork(t *testing.T, test func(pod string)) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		pod, err := os.Open("/proc/thread-self/ns/net")
		if err == nil {
			err = unix.Unshare(unix.CLONE_NEWNET)
		}
		if err == nil {
			test(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), pod.Fd()))
			err = pod.Close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestPod(t *testing.T) {
	config := Config{CNIVersion: "1.1.0", Type: Name, MTU: 9001, StateFolder: t.TempDir(), Addresses: addresses("10.0.0.4", "10.0.0.5")}
	inNewNetwork(t, func(pod string) {
		code, answer := runPlugin(t, "ADD", "a", pod, config)
		if code != 0 {
			t.Errorf("ADD: %v", answer)
			return
		}
		if text := fmt.Sprint(answer["ips"]); !strings.Contains(text, "10.0.0.4/32") {
			t.Errorf("the pod has %s", text)
		}
		if code, answer := runPlugin(t, "CHECK", "a", pod, config); code != 0 {
			t.Errorf("CHECK: %v", answer)
		}
		routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
		if err != nil || !slices.ContainsFunc(routes, func(r netlink.Route) bool {
			return r.Dst != nil && r.Dst.String() == "10.0.0.4/32"
		}) {
			t.Errorf("the node's routes are %v, %v", routes, err)
		}
		if code, answer := runPlugin(t, "GC", "", "", withAttachments(config, "a")); code != 0 || !linkThere("a") {
			t.Errorf("GC took what is in use: %v", answer)
		}
		if code, answer := runPlugin(t, "GC", "", "", withAttachments(config)); code != 0 || linkThere("a") {
			t.Errorf("GC left what nobody uses: %v", answer)
		}
		for range 2 {
			if code, answer := runPlugin(t, "DEL", "a", pod, config); code != 0 {
				t.Errorf("DEL: %v", answer)
			}
		}
		if code, _ := runPlugin(t, "CHECK", "a", pod, config); code == 0 {
			t.Error("CHECK is content with a pod that is gone")
		}
	})
}

func withAttachments(c Config, ids ...string) Config {
	for _, id := range ids {
		c.Attachments = append(c.Attachments, attachment{id, "eth0"})
	}
	return c
}

func linkThere(id string) bool {
	_, err := net.InterfaceByName(hostLink(attachment{id, "eth0"}))
	return err == nil
}
