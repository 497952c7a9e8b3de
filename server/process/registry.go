package process

import (
	"context"
	"os"
	"path/filepath"

	"minato.dev/minato/edge/registry"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/imagestore"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/seal"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/testclock"
	"minato.dev/minato/upstream"
	"minato.dev/minato/upstream/images"
)

// Registry serves images until ctx ends: those that are built in, and those that users pushed to this home.
func Registry(ctx context.Context, dir home.Dir) error {
	cfg, err := dir.LoadConfig()
	if err != nil {
		return err
	}
	sealer, err := seal.Open(dir.SealKey())
	if err != nil {
		return err
	}
	s, closeStore, err := openStore(dir, cfg, etcd.Hook)
	if err != nil {
		return err
	}
	defer closeStore()
	pushed, err := imagestore.Open(dir.Path("registry"))
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	clk := &clock.Clock{}
	clk.Begin(cfg.ClockOffset)
	keyring := iam.NewKeyring(s, sealer, clk)
	bin := filepath.Dir(executable)
	server := registry.New(registry.Config{
		Addr:   loopback(cfg.RegistryPort),
		Region: cfg.Region,
		Images: pushed,
		Builtin: images.New(images.Sources{
			Kube:       kube.Binaries(filepath.Join(bin, "kube")),
			Upstream:   upstream.Binaries(filepath.Join(bin, "upstream")),
			Executable: executable,
			Version:    os.Getenv("MINATO_VERSION"),
		}),
		Credentials: keyring.Credentials,
		Authorize:   iam.New(s, sealer, clk).Authorize,
		Ready:       keyring.Ready,
		Log:         logger("registry"),
	})
	return group(ctx, testclock.Follow(s, clk).Run, keyring.Run, server.Run)
}
