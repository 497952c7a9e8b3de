package machine

import (
	"context"
	"os"
	"path/filepath"

	"minato.dev/minato/cluster/node/imageroot"
	"minato.dev/minato/internal/home"
)

const (
	// imagesFile, beside a node's disk, names the folder of prepared images that the disk has links into.
	imagesFile = "images"
	// imagesFolder is where a node sees them.
	imagesFolder   = "/opt/minato/images"
	containerdRoot = "/var/lib/containerd"
)

func imagesReference(h home.Dir, id string) string { return h.Path(folder, id, imagesFile) }

// prepareImages has the images prepared that a new node begins with.
func (h *host) prepareImages(ctx context.Context) error {
	p := h.spec.Programs
	if len(p.Prepared.Images) == 0 {
		return nil
	}
	_, err := imageroot.Ensure(ctx, h.Home, p.Prepared, p.Containerd, p.Pause, imagesReference(h.Home, h.spec.InstanceID), imagesReference(h.Home, "*"))
	if err == nil {
		h.phase("images")
	}
	return err
}

// prepared is the folder of prepared images of the node, empty if it began without.
func (h *host) prepared() string {
	b, err := os.ReadFile(imagesReference(h.Home, h.spec.InstanceID))
	if err != nil {
		return ""
	}
	return string(b)
}

// showImages has the node see the prepared images, and its containerd begin with them if it never ran.
func showImages(root, prepared string) error {
	if err := bindReadOnly(prepared, filepath.Join(root, imagesFolder)); err != nil {
		return err
	}
	return imageroot.Seed(prepared, imagesFolder, filepath.Join(root, containerdRoot))
}
