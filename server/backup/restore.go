package backup

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
)

// maxFile bounds the small files of a backup; the snapshot is bounded by the disk.
const maxFile = 1 << 20

func readAll(archive *tar.Reader, dir home.Dir) (m manifest, err error) {
	complete := false
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, fmt.Errorf("it is not whole: %w", err)
		}
		switch {
		case h.Name == manifestName:
			if m, err = readManifest(archive); err != nil {
				return m, err
			}
		case m.Format == 0:
			return m, errors.New("it is not a backup of Minato: it does not begin with a manifest")
		case h.Name == snapshotName:
			complete = true
			err = writeFile(snapshotFile(dir), archive)
		case strings.HasPrefix(h.Name, homePrefix):
			err = writeHomeFile(dir, strings.TrimPrefix(h.Name, homePrefix), io.LimitReader(archive, maxFile))
		}
		if err != nil {
			return m, err
		}
	}
	if !complete {
		return m, errors.New("it is not whole: the store's snapshot is missing")
	}
	return m, nil
}

func readManifest(r io.Reader) (m manifest, err error) {
	if err := json.NewDecoder(io.LimitReader(r, maxFile)).Decode(&m); err != nil {
		return m, fmt.Errorf("its manifest cannot be read: %w", err)
	}
	if m.Format != formatVersion {
		return m, fmt.Errorf("it has format %d, this Minato reads format %d", m.Format, formatVersion)
	}
	return m, nil
}

// writeHomeFile writes one of the home's own files. A name that leads out of the home is refused.
func writeHomeFile(dir home.Dir, name string, r io.Reader) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("it holds a file outside the home: %q", name)
	}
	return writeFile(dir.Path(name), r)
}

func writeFile(path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

func snapshotFile(dir home.Dir) string { return dir.Path("restore.snapshot") }

// restoreStore makes etcd's data folder, and forgets the loopback ports of the old machine: the next start finds free ones.
func restoreStore(dir home.Dir) error {
	cfg, err := dir.LoadConfig()
	if err != nil {
		return err
	}
	if cfg.ExternalEtcd {
		return errors.Join(os.Remove(snapshotFile(dir)),
			errors.New("the backup is of an external etcd: restore its snapshot with etcd's own tools; the home's files are restored"))
	}
	if err := etcd.Restore(snapshotFile(dir), dir.Etcd()); err != nil {
		return err
	}
	cfg.EtcdPort, cfg.HookPort, cfg.GatePort, cfg.EtcdEndpoints = 0, 0, 0, nil
	return errors.Join(os.Remove(snapshotFile(dir)), dir.SaveConfig(cfg))
}
