package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"minato.dev/minato/internal/ports"
)

const (
	flowRounds  = 5
	flowSeconds = "2"
	flowPort    = "5001"
)

// benchThroughput sends from pod to pod, on one node and between two, in turns with the same program on this machine's loopback.
func benchThroughput(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	k, err := s.createCluster(ctx, o, "flow")
	if err != nil {
		return nil, err
	}
	ask := s.asker(k)
	if err := s.createNodes(ctx, ask, 2); err != nil {
		return nil, err
	}
	defer func() { _ = s.deleteNodegroup(context.WithoutCancel(ctx), k.name) }()
	var nodes objects
	if err := ask.do(ctx, http.MethodGet, "/api/v1/nodes", "", &nodes); err != nil {
		return nil, err
	}
	near, far := nodes.Items[0].Metadata.Name, nodes.Items[1].Metadata.Name
	receiver, err := ask.runPod(ctx, "receiver", near, object.ready, "receive", ":"+flowPort)
	if err != nil {
		return nil, err
	}
	echo := filepath.Join(o.bin, "echo")
	free, release, err := ports.Free(ctx, 1)
	if err != nil {
		return nil, err
	}
	release()
	local := fmt.Sprintf("127.0.0.1:%d", free[0])
	bare, err := startProgram(ctx, local, echo, "receive", local)
	if err != nil {
		return nil, err
	}
	defer bare.stop()

	to := net.JoinHostPort(receiver.Status.PodIP, flowPort)
	rates := map[string][]float64{}
	for n := range flowRounds {
		out, err := exec.CommandContext(ctx, echo, "send", flowSeconds, local).Output()
		if err != nil {
			return nil, err
		}
		said := map[string]string{"": string(out)}
		for _, node := range []string{near, far} {
			if said[node], err = ask.logsOf(ctx, fmt.Sprintf("sender-%d-%s", n, node), node, "send", flowSeconds, to); err != nil {
				return nil, err
			}
		}
		for from, line := range said {
			var bytes int64
			var seconds float64
			if _, err := fmt.Sscanf(line, "%d bytes in %f s", &bytes, &seconds); err != nil {
				return nil, fmt.Errorf("a sender says %q: %w", line, err)
			}
			rates[from] = append(rates[from], float64(bytes)*8/seconds/1e9)
		}
	}
	loopback := median(rates[""])
	return []Row{
		against("pod to pod on one node, TCP, beside loopback, p50", median(rates[near]), loopback, "Gbit/s", ""),
		against("pod to pod between nodes, TCP, beside the same, p50", median(rates[far]), loopback, "Gbit/s", ""),
	}, nil
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// runPod makes a pod on a node, and answers it when it is so.
func (a *kubeAsker) runPod(ctx context.Context, name, node string, so func(object) bool, command ...string) (pod object, err error) {
	spec, err := podOf(name, node, command...)
	if err != nil {
		return pod, err
	}
	if err := a.do(ctx, http.MethodPost, podsPath, spec, nil); err != nil {
		return pod, err
	}
	for deadline := time.Now().Add(nodeLimit); time.Now().Before(deadline); {
		pod = object{}
		if err := a.do(ctx, http.MethodGet, podsPath+"/"+name, "", &pod); err != nil {
			return pod, err
		}
		if so(pod) {
			return pod, nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return pod, err
		}
	}
	return pod, fmt.Errorf("pod %s is %s after %s", name, pod.Status.Phase, nodeLimit)
}

// logsOf runs a command in a pod on a node and answers what it printed.
func (a *kubeAsker) logsOf(ctx context.Context, name, node string, command ...string) (out string, err error) {
	ended := func(p object) bool { return p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" }
	if _, err := a.runPod(ctx, name, node, ended, command...); err != nil {
		return "", err
	}
	return out, a.do(ctx, http.MethodGet, podsPath+"/"+name+"/log", "", &out)
}
