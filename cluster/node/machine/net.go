package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// sysctls are those of the node's network namespace. Packets between pods and the rest pass through it, and may come back
// another way than they went.
var sysctls = map[string]string{
	"net/ipv4/ip_forward":                    "1",
	"net/ipv4/conf/all/rp_filter":            "2",
	"net/ipv4/conf/default/rp_filter":        "2",
	"net/ipv6/conf/all/forwarding":           "1",
	"net/ipv4/conf/all/send_redirects":       "0",
	"net/ipv4/conf/default/send_redirects":   "0",
	"net/ipv4/conf/default/accept_redirects": "0",
}

func setSysctls() error {
	for name, value := range sysctls {
		err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
		if err != nil && !strings.HasPrefix(name, "net/ipv6/") { // a kernel without IPv6 has none
			return fmt.Errorf("setting %s: %w", strings.ReplaceAll(name, "/", "."), err)
		}
	}
	return nil
}

func loopbackUp() error {
	link, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
