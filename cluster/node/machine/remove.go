package machine

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"minato.dev/minato/internal/home"
)

// StopTimeout is how long the process of a node may take to end.
const StopTimeout = 15 * time.Second

// Remove removes what a node whose process has ended leaves: its control groups with what may still be in them, its disk, its
// run folder and its logs. Mounts and links went with the namespaces.
func Remove(h home.Dir, id string) error {
	if !instanceForm.MatchString(id) {
		return nil
	}
	groups, err := findCgroups(id)
	if err == nil {
		err = groups.remove()
	}
	if err != nil {
		return err
	}
	return errors.Join(RemoveDisk(h, id), os.RemoveAll(RunFolder(h, id)), os.RemoveAll(LogDir(h, id)))
}

// Left are the nodes that have a disk or a run folder.
func Left(h home.Dir) ([]string, error) {
	var ids []string
	for _, parent := range []string{h.Path(folder), h.Run(folder)} {
		entries, err := os.ReadDir(parent)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if instanceForm.MatchString(e.Name()) {
				ids = append(ids, e.Name())
			}
		}
	}
	return ids, nil
}
