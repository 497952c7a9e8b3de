package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// otherMachine is a network namespace that stands for another machine, behind a link that nothing else uses.
type otherMachine struct {
	namespace, link string
	here, address   string // of this machine, and of the other, on that link
}

// start makes the machine, and takes it away when the test ends.
func (m otherMachine) start(t *testing.T) {
	t.Helper()
	remove := func() {
		_ = exec.Command("ip", "netns", "del", m.namespace).Run()
		_ = exec.Command("ip", "link", "del", m.link).Run()
	}
	remove() // of a test that was killed
	t.Cleanup(remove)
	for _, args := range []string{
		"netns add " + m.namespace,
		"link add " + m.link + " type veth peer name eth0 netns " + m.namespace,
		"addr add " + m.here + "/24 dev " + m.link,
		"link set " + m.link + " up",
		"-n " + m.namespace + " addr add " + m.address + "/24 dev eth0",
		"-n " + m.namespace + " link set eth0 up",
		"-n " + m.namespace + " link set lo up",
		"-n " + m.namespace + " route add default via " + m.here,
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
}
