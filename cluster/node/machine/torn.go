package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/boot"
)

// writtenIn names the boot of the machine in which containerd writes to the disk. It is not there while nobody does.
//
// containerd does not wait for the disk (no_sync): at two dozen changes for a pod that took as long as starting its programs. When the
// machine goes down all of a sudden, what containerd knew may be torn. Nobody misses it, since the containers it told of went down too:
// it is forgotten, and kubelet starts its pods anew, with their volumes and logs, which lie elsewhere.
const writtenIn = "/var/lib/containerd.boot"

// beginWriting forgets what containerd knew if another boot ended while it was written, and notes that this one writes.
func beginWriting(root string) (forgot bool, err error) {
	current, err := boot.ID()
	if err != nil {
		return false, err
	}
	mark := filepath.Join(root, writtenIn)
	b, err := os.ReadFile(mark)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err == nil && string(b) != current {
		forgot = true
		if err := os.RemoveAll(filepath.Join(root, containerdRoot)); err != nil {
			return false, fmt.Errorf("forgetting containers of another boot: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(mark), 0o755); err != nil {
		return false, err
	}
	return forgot, atomicfile.Write(mark, []byte(current), 0o600)
}

// endWriting notes that all that was written is on the disk.
func endWriting(root string) error { return os.Remove(filepath.Join(root, writtenIn)) }
