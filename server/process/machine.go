package process

import (
	"context"
	"os"

	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/internal/home"
)

// Machine is one node of a home until ctx ends. The supervisor gives it the logs of kubelet and containerd as its first
// streams. It reads no records and asks nobody.
func Machine(ctx context.Context, dir home.Dir, instance string) error {
	return machine.Run(ctx, machine.Config{
		Home: dir, InstanceID: instance, Log: logger("machine").With("instance", instance),
		KubeletLog: os.NewFile(3, "kubelet.log"), ContainerdLog: os.NewFile(4, "containerd.log"),
	})
}
