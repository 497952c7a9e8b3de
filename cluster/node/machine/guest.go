package machine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Descriptors that the guest's half is started with, after the standard ones.
const (
	lineFD = 3 + iota
	kubeletLogFD
	containerdLogFD
)

// Guest is the guest's half: pid 1 of a node. It returns when it cannot go on, and never once the node runs: the end of its
// process is the end of the node.
func Guest() error {
	if os.Getpid() != 1 {
		return errors.New("this is the inner half of minato machine, which starts it itself")
	}
	// Namespaces belong to threads. Everything that makes mounts or starts processes happens on this one.
	runtime.LockOSThread()
	unix.Umask(0o022) // as on any machine; secrets get their modes on purpose
	l := newLine(os.NewFile(lineFD, "line"))
	syscall.CloseOnExec(lineFD)
	var g guestConfig
	if err := l.in.Decode(&g); err != nil {
		return fmt.Errorf("waiting for the configuration: %w", err)
	}
	k := newKeeper(l)
	if err := k.boot(g); err != nil {
		_ = l.out.Encode(report{Failed: err.Error()})
		return err
	}
	return k.run()
}

// boot makes the root file system and the files that the services read.
func (k *keeper) boot(g guestConfig) error {
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("making a cgroup namespace: %w", err)
	}
	groups, err := findCgroups(g.Spec.InstanceID)
	if err != nil {
		return err
	}
	forgot, err := enterDisk(g)
	if err != nil {
		return err
	}
	if err := enterRoot(g, groups); err != nil {
		return err
	}
	if forgot {
		if err := k.line.out.Encode(report{Phase: "without the containers of a boot that ended suddenly"}); err != nil {
			return err
		}
	}
	if err := writeEtc(g.Spec, g.Resolver); err != nil {
		return err
	}
	if err := setSysctls(); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := writeContainerdConfig(g.Spec.Programs); err != nil {
		return err
	}
	kubelet, err := writeKubeletConfig(g.Spec)
	if err != nil {
		return err
	}
	k.services = []*service{
		{
			name: "containerd", path: programsFolder + "/containerd", args: []string{"--config", containerdConfigFile},
			log: os.NewFile(containerdLogFD, "containerd.log"), env: []string{"HTTPS_PROXY=" + g.Registries},
		},
		{
			name: "kubelet", path: programsFolder + "/kubelet", args: kubelet, log: os.NewFile(kubeletLogFD, "kubelet.log"),
			after: []<-chan struct{}{k.networkUp, k.containerdUp}, env: []string{"GOGC=65"},
		},
	}
	return k.line.out.Encode(report{Phase: "root"})
}

// probe asks kubelet and tells the host's half what has changed, until the node ends.
func (k *keeper) probe() {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{Proxy: nil}}
	ready, failures := false, 0
	for {
		err := ask(client)
		switch {
		case err == nil && !ready:
			ready, failures = true, 0
			k.tell(report{Ready: &ready})
		case err == nil:
			failures = 0
		case ready:
			if failures++; failures >= 3 { // one slow answer is no news
				ready = false
				k.tell(report{Ready: &ready})
			}
		}
		pause := 20 * time.Millisecond
		if ready {
			pause = time.Second
		}
		<-time.After(pause)
	}
}

// kubeletHealth is kubelet's health port on the node's loopback.
const kubeletHealth = "http://127.0.0.1:10248/healthz"

func ask(client *http.Client) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, kubeletHealth, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
