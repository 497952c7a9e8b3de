package join

import (
	"strings"
	"testing"
)

func TestWantRoom(t *testing.T) {
	const disk = 200 << 30
	for free, want := range map[uint64]string{
		disk:             "",
		disk * 15 / 100:  "",
		disk*15/100 - 1:  "has 30.0 of 200.0 GiB free, 15.0%: kubelet evicts pods when less than 15% is free for images or 10% for the node",
		disk * 95 / 1000: "has 19.0 of 200.0 GiB free, 9.5%",
		0:                "join with --dir on another disk",
	} {
		err := wantRoom("/srv/node", free, disk)
		if err == nil != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("with %d bytes free: %v, want %q", free, err, want)
		}
	}
	if err := checkDisk("/nowhere"); err == nil {
		t.Error("a folder that is not there has a disk")
	}
}
