package server

import (
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/home"
)

func TestResolveFirstStart(t *testing.T) {
	o := Options{Home: home.Dir(t.TempDir())}
	cfg, err := resolve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Listen != defaultListen || cfg.TLSPort != 4567 || cfg.Region != minato.DefaultRegion || cfg.AdvertiseAddress[0] != "127.0.0.1" {
		t.Errorf("the defaults are %+v", cfg)
	}
	if len(cfg.Accounts) != 1 || !minato.ValidAccountID(cfg.Accounts[0]) {
		t.Errorf("the first account is %v, want one of 12 digits", cfg.Accounts)
	}
	if cfg.EtcdPort == 0 || cfg.HookPort == 0 || cfg.GatePort == 0 || len(cfg.EtcdEndpoints) != 1 {
		t.Errorf("ports are missing: %+v", cfg)
	}
}

func TestAdvertised(t *testing.T) {
	for name, tt := range map[string]struct {
		listen    string
		advertise []string
		refused   bool
	}{
		"loopback and a name":          {"127.0.0.1:7000", []string{"127.0.0.1", "minato.example.com"}, false},
		"an address of no machine":     {"127.0.0.1:7000", []string{"127.0.0.1", "203.0.113.7"}, true},
		"one that is forwarded to all": {"0.0.0.0:7000", []string{"203.0.113.7"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resolve(t.Context(), Options{Home: home.Dir(t.TempDir()), Listen: tt.listen, Advertise: tt.advertise})
			if refused := minato.Is(err, minato.Invalid); refused != tt.refused || err != nil && !strings.Contains(err.Error(), "--advertise-address 203.0.113.7") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestResolveLater changes what may change between two starts, and nothing else.
func TestResolveLater(t *testing.T) {
	o := Options{Home: home.Dir(t.TempDir()), Accounts: []string{"111122223333"}, Listen: "127.0.0.1:7000"}
	first, err := resolve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Listen = "127.0.0.1:7050"
	if moved, err := resolve(t.Context(), o); err != nil || moved.TLSPort != 7051 {
		t.Errorf("issuers on %d, %v: before there can be a cluster their port follows that of the APIs", moved.TLSPort, err)
	}
	if err := o.Home.SaveCredentials(map[string]home.AccessKey{"111122223333": {}}); err != nil {
		t.Fatal(err)
	}
	o.Accounts, o.Listen, o.TestClock = []string{"444455556666"}, "127.0.0.1:7100", time.Now().Add(-240*time.Hour)
	second, err := resolve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Accounts) != 2 || second.Accounts[0] != "111122223333" {
		t.Errorf("accounts %v: the first must stay, the new one be added", second.Accounts)
	}
	if second.Listen != "127.0.0.1:7100" || second.TLSPort != 7051 {
		t.Errorf("listening on %s, issuers on %d: the issuers' port stands in clusters and must stay", second.Listen, second.TLSPort)
	}
	if first.RegistryPort != 7002 || second.RegistryPort != 7102 {
		t.Errorf("images on %d and %d", first.RegistryPort, second.RegistryPort)
	}
	if second.HookPort != first.HookPort || second.EtcdPort != first.EtcdPort {
		t.Error("ports that stand in the arguments of control planes have changed")
	}
	if off := second.ClockOffset + 240*time.Hour; off.Abs() > time.Minute {
		t.Errorf("the clock is off by %s, want -240h", second.ClockOffset)
	}
	o.TestClock = time.Time{}
	third, err := resolve(t.Context(), o)
	if err != nil || third.ClockOffset != second.ClockOffset {
		t.Errorf("the test clock was not kept: %v, %v", third.ClockOffset, err)
	}
	o.Listen = "127.0.0.1:7049"
	if beside, err := resolve(t.Context(), o); err != nil || beside.RegistryPort != 7052 {
		t.Errorf("images on %d, %v: the issuers have the port that they would take", beside.RegistryPort, err)
	}
}

func TestResolveRefuses(t *testing.T) {
	dir := home.Dir(t.TempDir())
	if _, err := resolve(t.Context(), Options{Home: dir}); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"another region": {Home: dir, Region: "eu-west-1"},
		"no port":        {Home: dir, Listen: "127.0.0.1"},
		"port 0":         {Home: dir, Listen: "127.0.0.1:0"},
		"port too high":  {Home: dir, Listen: "127.0.0.1:65534"},
	} {
		if _, err := resolve(t.Context(), o); !minato.Is(err, minato.Invalid) {
			t.Errorf("%s: error %v, want one of kind Invalid", name, err)
		}
	}
}

func TestStopStages(t *testing.T) {
	order := []string{"clusters/ab/kube-scheduler-1", "clusters/ab/kube-apiserver-1", registryProcess, etcdProcess}
	for i := 1; i < len(order); i++ {
		if stopStage(order[i-1]) >= stopStage(order[i]) {
			t.Errorf("%s must stop before %s", order[i-1], order[i])
		}
	}
}
