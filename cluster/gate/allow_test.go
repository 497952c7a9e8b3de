package gate

import (
	"net/netip"
	"testing"
)

func TestAllowList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cidrs []string
		from  string
		want  bool
	}{
		{[]string{"0.0.0.0/0"}, "203.0.113.9", true},
		{[]string{"0.0.0.0/0"}, "127.0.0.1", true},
		{[]string{"0.0.0.0/0"}, "::ffff:203.0.113.9", true}, // an IPv4 client on a dual-stack listener
		{[]string{"0.0.0.0/0"}, "2001:db8::1", false},
		{[]string{"::/0"}, "2001:db8::1", true},
		{[]string{"::/0"}, "203.0.113.9", false},
		{[]string{"fe80::/10"}, "fe80::1%eth0", true},
		{[]string{"10.1.2.3/8"}, "10.200.0.1", true},
		{[]string{"10.0.0.0/8"}, "11.0.0.1", false},
		{[]string{"203.0.113.0/24"}, "127.0.0.1", false},
		{nil, "127.0.0.1", false},
		{[]string{"10.0.0.1", "10.0.0.0/33"}, "10.0.0.1", false},
	} {
		list, _ := parseAllowList(c.cidrs)
		if got := list.allows(netip.MustParseAddr(c.from)); got != c.want {
			t.Errorf("%v allows %s = %t, want %t", c.cidrs, c.from, got, c.want)
		}
	}
	if _, err := parseAllowList([]string{"10.0.0.0/8", "bad"}); err == nil {
		t.Error("a bad network is not reported")
	}
}
