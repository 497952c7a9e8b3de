package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/ports"
)

const (
	// authUsers share the tokens, so that STS holds none of them to the rate that one principal may call it at.
	authUsers  = 50
	gentleRate = 200 // reviews a second that aws-iam-authenticator keeps up with on a small machine
)

// benchAuthenticator compares with aws-iam-authenticator: the same tokens to its webhook and to ours, in turn. It asks STS about
// every token, and here that is ours, over loopback.
func benchAuthenticator(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	const cluster = "authenticator"
	if _, err := s.createCluster(ctx, o, cluster); err != nil {
		return nil, err
	}
	questions, err := s.sharedTokens(ctx, cluster)
	if err != nil {
		return nil, err
	}
	st, err := s.status(ctx)
	if err != nil {
		return nil, err
	}
	asker, err := s.hookAsker(st.Clusters[0].ID, "authenticate", questions)
	if err != nil {
		return nil, err
	}
	ours := &authSide{asker: asker, pids: []int{hookPID(st)}}
	a, err := startAuthenticator(ctx, o, s, cluster)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	if asker, err = newAsker(a.url+"/authenticate", a.ca, questions); err != nil {
		return nil, err
	}
	theirs := &authSide{asker: asker, pids: []int{a.cmd.Process.Pid, st.PID}}
	for range 2 { // in turn, so that both see the same machine
		for _, side := range []*authSide{ours, theirs} {
			if err := side.measure(ctx); err != nil {
				return nil, err
			}
		}
	}
	const beside = ", beside aws-iam-authenticator"
	return []Row{
		against("tokens verified, as fast as it goes"+beside, ours.perSecond(), theirs.perSecond(), "1/s", "ratio >= 5"),
		against("p99 of the same", percentile(ours.flooded, 99)*1000, percentile(theirs.flooded, 99)*1000, "ms", "ratio <= 0.2"),
		against(fmt.Sprintf("p99 at %d/s%s", gentleRate, beside), percentile(ours.paced, 99)*1000, percentile(theirs.paced, 99)*1000, "ms", ""),
		against("tokens verified per second of CPU time, its STS included"+beside, ours.perCPU(), theirs.perCPU(), "1/s", "ratio >= 5"),
	}, nil
}

// sharedTokens are tokens of several users, for a name of STS that aws-iam-authenticator believes in.
func (s *server) sharedTokens(ctx context.Context, cluster string) ([]question, error) {
	var names []string
	for i := range authUsers {
		names = append(names, fmt.Sprintf("auth-%d", i))
	}
	users, err := s.createUsers(ctx, cluster, names, func(int) bool { return true }, nil)
	if err != nil {
		return nil, err
	}
	sts := fmt.Sprintf("https://sts.%s.amazonaws.com", s.env["AWS_REGION"])
	var questions []question
	for i := range authTokens {
		at := time.Now().Add(-time.Duration(i) * time.Second)
		questions = append(questions, tokenReview(s.presign(ctx, sts, users[i%authUsers].key, cluster, at)))
	}
	return questions, nil
}

// authSide is one of two that are compared, with what was measured so far.
type authSide struct {
	asker   *asker
	pids    []int // who works for its answers
	flooded []time.Duration
	paced   []time.Duration
	took    time.Duration // of the flood
	cpu     float64       // seconds in it
}

func (a *authSide) measure(ctx context.Context) error {
	before := cpuSeconds(a.pids...)
	flooded, took, err := a.asker.flood(ctx, askClients, authDuration/2)
	if err != nil {
		return err
	}
	a.cpu += cpuSeconds(a.pids...) - before
	a.flooded, a.took = append(a.flooded, flooded...), a.took+took
	paced, err := a.asker.paced(ctx, gentleRate, authDuration/2)
	a.paced = append(a.paced, paced...)
	return err
}

func (a *authSide) perSecond() float64 { return float64(len(a.flooded)) / a.took.Seconds() }
func (a *authSide) perCPU() float64    { return float64(len(a.flooded)) / a.cpu }

// authenticator is a running aws-iam-authenticator.
type authenticator struct {
	cmd *exec.Cmd
	url string
	ca  string // file with the certificate it made for itself
}

// startAuthenticator builds aws-iam-authenticator and runs it until it answers. It calls the server's STS.
func startAuthenticator(ctx context.Context, o options, s *server, cluster string) (*authenticator, error) {
	program := filepath.Join(o.bin, "bench", "authenticator")
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join("bench", "authenticator"), "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	dir := home.Dir(s.home)
	cfg, err := dir.LoadConfig()
	if err != nil {
		return nil, err
	}
	free, release, err := ports.Free(ctx, 1)
	if err != nil {
		return nil, err
	}
	release()
	state, err := os.MkdirTemp(o.dir, "authenticator-")
	if err != nil {
		return nil, err
	}
	a := &authenticator{url: fmt.Sprintf("https://127.0.0.1:%d", free[0]), ca: filepath.Join(state, "cert.pem")}
	a.cmd = exec.Command(program, "-sts", fmt.Sprintf("127.0.0.1:%d", cfg.TLSPort), "-ca", dir.PublicCA(),
		"-cluster", cluster, "-account", cfg.Accounts[0], "-port", fmt.Sprint(free[0]), "-state", state)
	a.cmd.Env = append(os.Environ(), "AWS_REGION="+s.env["AWS_REGION"], "AWS_EC2_METADATA_DISABLED=true")
	log, err := os.Create(filepath.Join(state, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	a.cmd.Stdout, a.cmd.Stderr = log, log
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	if err := a.waitReady(ctx); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

func (a *authenticator) waitReady(ctx context.Context) (err error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var probe *asker
		if probe, err = newAsker(a.url, a.ca, nil); err != nil {
			continue // it has not made its certificate yet
		}
		var resp *http.Response
		if resp, err = probe.client.Get(a.url + "/healthz"); err == nil {
			return resp.Body.Close()
		}
	}
	return fmt.Errorf("aws-iam-authenticator was not ready after a minute: %w", err)
}

func (a *authenticator) stop() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}
