package join

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What kubelet wants free, in percent, unless it is told otherwise: with less it evicts pods, again and again, and lets no new ones in.
// The images and all else of a hybrid node are on one disk.
const (
	imagesFree = 15 // imagefs.available
	nodeFree   = 10 // nodefs.available
)

// checkDisk is an error, for the log, when the disk of a folder has less room than kubelet wants.
func checkDisk(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return wantRoom(dir, s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize))
}

func wantRoom(dir string, free, total uint64) error {
	if float64(free) >= float64(total)*max(imagesFree, nodeFree)/100 {
		return nil
	}
	return fmt.Errorf("the disk of %s has %.1f of %.1f GiB free, %.1f%%: kubelet evicts pods when less than %d%% is free for images or %d%% for the node; "+
		"make room, or join with --dir on another disk", dir, gib(free), gib(total), 100*float64(free)/float64(total), imagesFree, nodeFree)
}

func gib(bytes uint64) float64 { return float64(bytes) / (1 << 30) }
