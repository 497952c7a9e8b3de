package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd/etcderr"
)

// revisionBump sets a restored etcd's revisions ahead of any that was handed out after the snapshot was taken, so that a
// client which comes with one of those is told to list again, instead of waiting for a revision that means something else.
const revisionBump = 1_000_000_000

// Snapshot writes all of etcd as it is at one moment, users and roles included, with a checksum that Restore verifies.
func (a *Admin) Snapshot(ctx context.Context, w io.Writer) error {
	r, err := a.client.Snapshot(ctx)
	if err != nil {
		return etcderr.Wrap("taking a snapshot of etcd", err)
	}
	defer r.Close()
	if _, err := io.Copy(w, r); err != nil {
		return etcderr.Wrap("taking a snapshot of etcd", err)
	}
	return nil
}

// Restore makes the data folder for Serve out of a snapshot file. The error is of kind AlreadyExists when the folder has
// data, and Invalid when the file is not a whole snapshot.
func Restore(snapshotFile, dataDir string) error {
	if _, err := os.Stat(filepath.Join(dataDir, "member")); !errors.Is(err, fs.ErrNotExist) {
		return minato.Errorf(minato.AlreadyExists, "etcd's data folder %s has data: restore into an empty home, or remove that folder first", dataDir)
	}
	if _, err := os.Stat(snapshotFile); err != nil {
		return fmt.Errorf("restoring etcd: %w", err)
	}
	// Beside the data folder first: a restore that was interrupted leaves nothing that etcd would start on.
	partial := dataDir + ".restoring"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(partial) }()
	err := snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath:        snapshotFile,
		Name:                memberName,
		OutputDataDir:       partial,
		PeerURLs:            []string{memberURL},
		InitialCluster:      memberName + "=" + memberURL,
		InitialClusterToken: "minato-restored",
		RevisionBump:        revisionBump,
		MarkCompacted:       true,
	})
	if err != nil {
		return minato.Errorf(minato.Invalid, "%s cannot be restored: %w", snapshotFile, err)
	}
	_ = os.Remove(HTTPSocket(dataDir))
	return os.Rename(partial, dataDir) // onto nothing, or onto an empty folder
}
