package containerd

import (
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	c := Config{Root: "/r", State: "/s", Socket: "/s/c.sock", Certs: "/c", Pause: "p", Plugins: "/b", Networks: "/n"}
	pulls := c.TOML()
	for _, want := range []string{"root = \"/r\"\nstate = \"/s\"\n", `address = "/s/c.sock"`, `config_path = "/c"`, `sandbox = "p"`, `bin_dirs = ["/b"]`, `conf_dir = "/n"`} {
		if !strings.Contains(pulls, want) {
			t.Errorf("%s is not in\n%s", want, pulls)
		}
	}
	c.Runc = "/usr/bin/runc"
	runs := c.TOML()
	c.Collect = true
	collects := c.TOML()
	const runc, gc = `BinaryName = "/usr/bin/runc"`, "gc.v1.scheduler"
	if strings.Contains(pulls, "BinaryName") || !strings.Contains(runs, runc) || strings.Contains(runs, gc) || !strings.Contains(collects, gc) {
		t.Errorf("without runc\n%s\nwith it\n%s\nand collecting\n%s", pulls, runs, collects)
	}
}
