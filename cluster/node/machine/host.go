package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/cluster/vpc"
	"minato.dev/minato/internal/home"
)

var instanceForm = regexp.MustCompile(`^i-[0-9a-f]{8,32}$`)

// Config is what Run needs beside the node's run folder.
type Config struct {
	Home       home.Dir
	InstanceID string
	// KubeletLog and ContainerdLog take the output of the node's services.
	KubeletLog, ContainerdLog *os.File
	Log                       *slog.Logger
}

// Run is the host's half: it makes the node and keeps it until ctx ends, or until the node ends by itself, which is an error.
func Run(ctx context.Context, c Config) error {
	if !instanceForm.MatchString(c.InstanceID) {
		return fmt.Errorf("%q is no instance id", c.InstanceID)
	}
	spec, err := ReadSpec(c.Home, c.InstanceID)
	if err != nil {
		return err
	}
	h := &host{Config: c, spec: spec, began: time.Now(), status: newStatus(), registries: newRegistries(c.Log)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopStatus, err := h.serveStatus()
	if err != nil {
		return err
	}
	defer stopStatus()
	if err := h.run(ctx); err != nil {
		h.status.fail(err)
		return err
	}
	return nil
}

// host is the host's half at work.
type host struct {
	Config
	spec       Spec
	began      time.Time
	status     *status
	registries *registries
	groups     cgroups
}

// run makes the machine in one go; what of it can be done side by side is.
func (h *host) run(ctx context.Context) error {
	var err error
	if h.groups, err = findCgroups(h.spec.InstanceID); err != nil {
		return err
	}
	if err := h.clear(); err != nil { // what an earlier one left
		return err
	}
	defer func() {
		if err := h.clear(); err != nil {
			h.Log.Error("the node's control groups stay", "error", err)
		}
	}()
	if err := h.groups.create(h.spec.Size); err != nil {
		return err
	}
	if err := h.ensureDisk(ctx); err != nil {
		return err
	}
	h.phase("disk")
	g, err := h.startGuest()
	if err != nil {
		return err
	}
	defer g.end()
	if err := h.groups.join(g.pid); err != nil {
		return err
	}
	if err := g.line.out.Encode(h.guestConfig()); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.connect(groupCtx, g) })
	group.Go(func() error { return h.listen(g) })
	group.Go(func() error { return h.watch(groupCtx, g) })
	err = group.Wait()
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// clear removes the control groups, and every process in them.
func (h *host) clear() error { return h.groups.remove() }

// phase notes a step of starting that is done.
func (h *host) phase(name string) {
	took := time.Since(h.began).Round(time.Millisecond)
	h.status.phase(name, took)
	h.Log.Info("node comes up", "phase", name, "after", took.String())
}

// guestConfig is what the guest's half is told.
func (h *host) guestConfig() guestConfig {
	return guestConfig{
		Spec: h.spec, Root: runFile(h.Home, h.spec.InstanceID, rootFolder), Disk: diskFile(h.Home, h.spec.InstanceID),
		Images: h.prepared(), Resolver: resolver(h.spec.Network), Registries: h.registries.url(),
	}
}

// connect plugs the node into its VPC and gives it its metadata service and its way to registries.
func (h *host) connect(ctx context.Context, g *guest) error {
	port, err := h.spec.Network.port()
	if err != nil {
		return err
	}
	ns := fmt.Sprintf("/proc/%d/ns/net", g.pid)
	if err := vpc.Plug(ctx, h.Home, port, ns); err != nil {
		return err
	}
	if err := h.serveMetadata(ctx, ns); err != nil {
		return err
	}
	if err := h.registries.serve(ctx, ns); err != nil {
		return err
	}
	h.phase("network")
	return g.line.out.Encode(order{NetworkUp: true})
}

// listen takes the reports of the guest's half until the line breaks.
func (h *host) listen(g *guest) error {
	for {
		var r report
		if err := g.line.in.Decode(&r); err != nil {
			return nil //nolint:nilerr // its end, and why, is what watch sees
		}
		switch {
		case r.Failed != "":
			return errors.New(r.Failed)
		case r.Phase != "":
			h.phase(r.Phase)
		case r.Service != "":
			h.Log.Warn("a service of the node ended by itself, and is started again", "service", r.Service, "how", r.How)
		case r.Ready != nil:
			if *r.Ready {
				h.phase("kubelet")
			} else {
				h.Log.Warn("kubelet answers no more")
			}
			h.status.setReady(*r.Ready)
		}
	}
}

// errStopped is the end of a node that was asked for.
var errStopped = errors.New("the node was stopped")

// watch waits for the guest's half to end, and ends it when ctx does.
func (h *host) watch(ctx context.Context, g *guest) error {
	select {
	case how := <-g.ended:
		return fmt.Errorf("the node ended: %s", how)
	case <-ctx.Done():
	}
	_ = g.line.out.Encode(order{Stop: true}) // or it ends by itself
	select {
	case <-g.ended:
	case <-time.After(stopPatience + 2*time.Second):
	}
	return errStopped
}

// guest is the guest's half, seen from outside.
type guest struct {
	pid   int
	line  *line
	ended <-chan string
	end   func() // kills it, if it is still there, and waits for its end
}

// startGuest starts the guest's half in namespaces of its own. It ends with us, whatever ends us: the kernel kills it when
// the thread that started it does, and that thread lives as long as it.
func (h *host) startGuest() (*guest, error) {
	root := runFile(h.Home, h.spec.InstanceID, rootFolder)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	type startResult struct {
		p   *os.Process
		err error
	}
	result, ended := make(chan startResult, 1), make(chan string, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		p, err := os.StartProcess("/proc/self/exe", []string{"minato", "machine", "--guest"}, &os.ProcAttr{
			Dir: "/", Env: []string{"PATH=" + guestPath}, Files: []*os.File{nil, os.Stderr, os.Stderr, theirs, h.KubeletLog, h.ContainerdLog},
			Sys: &syscall.SysProcAttr{
				Setsid: true, Pdeathsig: syscall.SIGKILL,
				Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			},
		})
		result <- startResult{p, err}
		if err != nil {
			return
		}
		state, err := p.Wait()
		if err != nil {
			ended <- err.Error()
		} else {
			ended <- state.String()
		}
		close(ended)
	}()
	r := <-result
	if r.err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("making the node's namespaces: %w", r.err)
	}
	return &guest{pid: r.p.Pid, line: newLine(ours), ended: ended, end: func() {
		_ = r.p.Kill()
		for range ended { // until it is closed
		}
		_ = ours.Close()
	}}, nil
}
