// Package backup carries everything of a home in one file: a snapshot of the store with every cluster's objects, and the
// files without which it cannot be read or served (the sealing key, certificates, credentials, settings).
package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/server/control"
)

// formatVersion is the version of the file. An older Minato refuses a newer one.
const formatVersion = 1

const (
	manifestName = "manifest.json"
	snapshotName = "etcd.snapshot"
	homePrefix   = "home/"
)

// manifest is the first entry of a backup.
type manifest struct {
	Format int       `json:"format"`
	Taken  time.Time `json:"taken"`
	Home   string    `json:"home"`
}

// Write makes a backup of a home whose server runs. The file appears under its name only when it is complete.
func Write(ctx context.Context, dir home.Dir, path string, out io.Writer) (err error) {
	cfg, err := dir.LoadConfig()
	if err != nil {
		return fmt.Errorf("no server was ever started in %s: %w", dir, err)
	}
	if _, err := control.GetStatus(ctx, dir); err != nil {
		return fmt.Errorf("a backup is taken from a running server: %w", err)
	}
	partial := path + ".partial"
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(partial)
		}
	}()
	zip := gzip.NewWriter(f)
	archive := tar.NewWriter(zip)
	err = writeAll(ctx, archive, dir, cfg)
	if err = errors.Join(err, archive.Close(), zip.Close(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", partial, err)
	}
	if err := os.Rename(partial, path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote %s (%d KiB); keep it as safe as the clusters themselves, it holds their keys\n", path, info.Size()>>10)
	return nil
}

func writeAll(ctx context.Context, archive *tar.Writer, dir home.Dir, cfg home.Config) error {
	m, err := json.Marshal(manifest{Format: formatVersion, Taken: time.Now().UTC(), Home: string(dir)})
	if err != nil {
		return err
	}
	if err := writeEntry(archive, manifestName, m); err != nil {
		return err
	}
	// Files first: what the snapshot needs to be read, such as an account's key file, is then never newer than it.
	for _, name := range homeFiles(dir) {
		b, err := os.ReadFile(dir.Path(name))
		if err != nil {
			return err
		}
		if err := writeEntry(archive, homePrefix+name, b); err != nil {
			return err
		}
	}
	return writeSnapshot(ctx, archive, dir, cfg)
}

// homeFiles are the files of a home that are not made again by themselves, relative to it.
func homeFiles(dir home.Dir) []string {
	names := []string{"config.json", "seal.key", "credentials.json"}
	entries, _ := os.ReadDir(dir.PKI())
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, filepath.Join("pki", e.Name()))
		}
	}
	return names
}

// writeSnapshot takes the snapshot into a file beside the archive, because a tar entry begins with its size.
func writeSnapshot(ctx context.Context, archive *tar.Writer, dir home.Dir, cfg home.Config) error {
	p := etcd.PKI(dir.PKI())
	client, err := etcd.Connect(p.Target(etcd.Root, cfg.EtcdEndpoints...))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	admin, err := etcd.NewAdmin(client, p, nil)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(string(dir), ".snapshot-*")
	if err != nil {
		return err
	}
	defer func() { _, _ = tmp.Close(), os.Remove(tmp.Name()) }()
	if err := admin.Snapshot(ctx, tmp); err != nil {
		return err
	}
	size, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: snapshotName, Mode: 0o600, Size: size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.Copy(archive, tmp)
	return err
}

func writeEntry(archive *tar.Writer, name string, b []byte) error {
	err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), Format: tar.FormatPAX})
	if err == nil {
		_, err = archive.Write(b)
	}
	return err
}

// Restore makes a home, which must not exist or be empty, from a backup.
func Restore(_ context.Context, dir home.Dir, path string, out io.Writer) error {
	release, err := newHome(dir)
	if err != nil {
		return err
	}
	defer release()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s is not a backup: %w", path, err)
	}
	m, err := readAll(tar.NewReader(zip), dir)
	if err != nil {
		return fmt.Errorf("restoring %s: %w", path, err)
	}
	if err := restoreStore(dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "restored what %s held on %s; start it with: minato up --home %s\n", m.Home, m.Taken.Format(time.RFC3339), dir)
	return nil
}

// newHome makes the folder and holds its lock. A home that has anything in it is left alone.
func newHome(dir home.Dir) (release func(), err error) {
	entries, err := os.ReadDir(string(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty: restore into a new home, or purge this one first (minato down --purge)", dir)
	}
	return dir.Acquire()
}
