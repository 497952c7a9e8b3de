package machine

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The two halves talk over a socket pair, in JSON documents.

// guestConfig is the first thing that the guest's half hears: all that it needs.
type guestConfig struct {
	Spec     Spec   `json:"spec"`
	Root     string `json:"root"`             // an empty folder of the host, where the root file system is made
	Disk     string `json:"disk"`             // the file with the node's disk
	Images   string `json:"images,omitempty"` // the folder with prepared images, if there are any
	Resolver string `json:"resolver"`
	// Registries is the proxy by which containerd reaches registries elsewhere, with its password.
	Registries string `json:"registries"`
}

// order is what the host's half says after that.
type order struct {
	NetworkUp bool `json:"networkUp,omitempty"`
	Stop      bool `json:"stop,omitempty"`
}

// report is what the guest's half says: that something is so.
type report struct {
	// Phase is a step of starting that is done: "root", "containerd", "kubelet".
	Phase string `json:"phase,omitempty"`
	// Ready is whether kubelet answers, told whenever that changes.
	Ready *bool `json:"ready,omitempty"`
	// Failed is why the guest's half gives up.
	Failed string `json:"failed,omitempty"`
	// Service has ended by itself and will be started again.
	Service string `json:"service,omitempty"`
	How     string `json:"how,omitempty"`
}

// programs are the files shown in programsFolder, by name.
func (g guestConfig) programs() map[string]string {
	p := g.Spec.Programs
	return map[string]string{
		"minato": p.Minato, "kubelet": p.Kube, "containerd": p.Containerd, "containerd-shim-runc-v2": p.Shim,
	}
}

// socketPair makes the two ends.
func socketPair() (host, guest *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, nil, err
		}
	}
	return os.NewFile(uintptr(fds[0]), "host"), os.NewFile(uintptr(fds[1]), "guest"), nil
}

// line is one end of the socket pair.
type line struct {
	file *os.File
	out  *json.Encoder
	in   *json.Decoder
}

func newLine(f *os.File) *line { return &line{f, json.NewEncoder(f), json.NewDecoder(f)} }
