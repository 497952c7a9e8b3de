package simulated

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/home"
)

//go:embed stages.yaml
var stages []byte

const (
	processPrefix = "simulated/"
	runFolder     = "simulated"
)

func processName(clusterID string) string { return processPrefix + clusterID + "/kwok" }

// ClusterOf is the cluster whose kwok a process name stands for; false when it is none.
func ClusterOf(process string) (clusterID string, ok bool) {
	rest, ok := strings.CutPrefix(process, processPrefix)
	clusterID, _, _ = strings.Cut(rest, "/")
	return clusterID, ok
}

// kwok is the process of a cluster. Its files are in a run folder of its own, which its uid reads and cannot change.
type kwok struct {
	clusterID string
	program   string
	dir       string
	log       string
	companion controlplane.Companion
}

func (k kwok) file(name string) string { return filepath.Join(k.dir, name) }

// write makes the run folder and the files in it.
func (k kwok) write(h home.Dir) error {
	if err := h.MakeRun(runFolder); err != nil {
		return fmt.Errorf("making run folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(k.log), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(k.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	uid, mode := int(k.companion.UID), os.FileMode(0o600)
	if uid == 0 {
		uid = -1
	} else {
		mode = 0o640
		if err := errors.Join(os.Lchown(k.dir, os.Geteuid(), uid), os.Chmod(k.dir, 0o750)); err != nil {
			return err
		}
	}
	kubeconfig, err := k.kubeconfig()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"stages.yaml": stages, "kubeconfig": kubeconfig, "ca.crt": k.companion.CA,
		"client.key": k.companion.Pair.KeyPEM, "client.crt": k.companion.Pair.CertPEM,
	} {
		if err := atomicfile.WriteForGroup(k.file(name), content, mode, uid); err != nil {
			return err
		}
	}
	return nil
}

func (k kwok) kubeconfig() ([]byte, error) {
	return json.Marshal(doc{
		"apiVersion": "v1", "kind": "Config", "current-context": "default",
		"clusters": []doc{{"name": "default", "cluster": doc{"server": "https://" + k.companion.Address, "certificate-authority": k.file("ca.crt")}}},
		"users":    []doc{{"name": "default", "user": doc{"client-certificate": k.file("client.crt"), "client-key": k.file("client.key")}}},
		"contexts": []doc{{"name": "default", "context": doc{"cluster": "default", "user": "default"}}},
	})
}

// spec is the process. --master is in the kubeconfig too; as an argument it has kwok started again for the next generation, which
// has another address.
func (k kwok) spec() supervisor.Spec {
	return supervisor.Spec{
		Name: processName(k.clusterID),
		Path: k.program,
		Args: []string{
			"kwok", "--config=" + k.file("stages.yaml"), "--kubeconfig=" + k.file("kubeconfig"), "--master=https://" + k.companion.Address,
			"--v=WARN", // it would tell of every heartbeat
		},
		Env:   []string{"HOME=" + k.dir},
		UID:   k.companion.UID,
		Log:   k.log,
		Group: k.clusterID,
	}
}
