package imageroot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"

	"minato.dev/minato/cluster/node/containerd"
)

// digest asks the registry for an image's digest.
func (s Source) digest(ctx context.Context, image string) (string, error) {
	path, err := manifestPath(image)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.Registry+path, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	digest := resp.Header.Get("Docker-Content-Digest")
	if resp.StatusCode != http.StatusOK || digest == "" {
		return "", fmt.Errorf("the registry has no image %s: %s", image, resp.Status)
	}
	return digest, nil
}

// puller is a containerd that pulls images into a root.
type puller struct {
	source                Source
	program, pinned, root string
	state                 string // a folder for its socket and whatever else ends with it
}

// run starts containerd, has it pull all images, and ends it. What else it made in its root is removed.
func (p *puller) run(ctx context.Context) error {
	if err := os.RemoveAll(p.state); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(p.state) }()
	if err := p.writeConfig(); err != nil {
		return err
	}
	stop, err := p.start()
	if err != nil {
		return err
	}
	err = p.pullAll(ctx)
	if stopErr := stop(); err != nil || stopErr != nil {
		return errors.Join(err, stopErr, p.logged())
	}
	return nil
}

// logged is the end of what containerd said.
func (p *puller) logged() error {
	b, err := os.ReadFile(filepath.Join(p.state, "containerd.log"))
	if err != nil {
		return err
	}
	return fmt.Errorf("containerd: %s", b[max(0, len(b)-1000):])
}

func (p *puller) socket() string { return filepath.Join(p.state, "c.sock") }

// writeConfig writes a configuration by which images are as a node's own containerd would have pulled them.
func (p *puller) writeConfig() error {
	certs, none := filepath.Join(p.state, "certs.d"), filepath.Join(p.state, "cni")
	config := containerd.Config{
		Root: p.root, State: filepath.Join(p.state, "run"), Socket: p.socket(), Certs: certs, Pause: p.pinned,
		Plugins: none, Networks: none, Collect: true,
	}
	if err := os.MkdirAll(filepath.Join(certs, p.source.Host), 0o700); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(certs, p.source.Host, "hosts.toml"), []byte(containerd.Hosts(p.source.Registry)), 0o600),
		os.WriteFile(filepath.Join(p.state, "config.toml"), []byte(config.TOML()), 0o600))
}

// start starts containerd with mounts of its own. It ends with us, whatever ends us.
func (p *puller) start() (stop func() error, err error) {
	log, err := os.Create(filepath.Join(p.state, "containerd.log"))
	if err != nil {
		return nil, err
	}
	type started struct {
		p   *os.Process
		err error
	}
	result, ended := make(chan started, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the kernel ends containerd with this thread
		defer func() { _ = log.Close() }()
		p, err := os.StartProcess(p.program, []string{"containerd", "--config", filepath.Join(p.state, "config.toml")}, &os.ProcAttr{
			Dir: "/", Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Files: []*os.File{nil, log, log},
			Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS},
		})
		result <- started{p, err}
		if err == nil {
			_, err = p.Wait()
			ended <- err
		}
	}()
	r := <-result
	if r.err != nil {
		return nil, fmt.Errorf("starting containerd: %w", r.err)
	}
	return func() error {
		_ = r.p.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			return err
		case <-time.After(10 * time.Second):
			_ = r.p.Kill()
			<-ended
			return errors.New("containerd did not end when asked")
		}
	}, nil
}

// pullAll pulls all images, a few at a time.
func (p *puller) pullAll(ctx context.Context) error {
	if err := p.waitForSocket(ctx); err != nil {
		return err
	}
	conn, err := grpc.NewClient("unix:"+p.socket(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(3)
	for _, image := range p.source.Images {
		group.Go(func() error {
			if err := pull(ctx, conn, p.source.reference(image)); err != nil {
				return fmt.Errorf("pulling %s: %w", image, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (p *puller) waitForSocket(ctx context.Context) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", p.socket())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for containerd: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// pull is PullImage of the Container Runtime Interface, as kubelet calls it. Its request is no more than the image's name.
func pull(ctx context.Context, conn *grpc.ClientConn, image string) error {
	spec := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), image)
	request := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), spec)
	var answer []byte
	return conn.Invoke(ctx, "/runtime.v1.ImageService/PullImage", &request, &answer, grpc.ForceCodec(raw{}), grpc.WaitForReady(true))
}

// raw is a codec of messages that are bytes already.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}
