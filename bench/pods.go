package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const (
	// podRounds is how many pods are made, one after the other and in turns with the bare node, after podWarmUp that do not count.
	podRounds = 20
	podWarmUp = 2
	podsPath  = "/api/v1/namespaces/default/pods"
	podLogs   = "/var/log/pods"
	// podRest is how long a node still has work after a pod is gone: its sandbox goes after it.
	podRest = 2 * time.Second
	// kubeletTick is how often a kubelet looks at its containers, and learns so that one runs (genericPlegRelistPeriod).
	kubeletTick = time.Second
)

// benchPods makes pods of a local image one after the other, in turns with a kubelet and a containerd that were started by hand, under
// a control plane that was too. Then both nodes are idle, and their memory is read.
//
// Ready takes as long as the program's start and then until the kubelet's next tick. That a pod is gone shows at a tick as well, so pods
// made right after others would all meet the tick at one place, each node's its own: they are made at places that are spread over it.
func benchPods(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	k, err := s.createCluster(ctx, o, "pods")
	if err != nil {
		return nil, err
	}
	ask := s.asker(k)
	if err := s.createNodes(ctx, ask, 1); err != nil {
		return nil, err
	}
	defer func() { _ = s.deleteNodegroup(context.WithoutCancel(ctx), k.name) }()
	b, err := startBareNode(ctx, o)
	if err != nil {
		return nil, err
	}
	defer b.stop()

	processes, err := ask.nodeProcesses(ctx)
	if err != nil {
		return nil, err
	}
	if len(processes["kubelet"]) != 1 {
		return nil, fmt.Errorf("the node has the kubelets %v", processes["kubelet"])
	}
	logs := fmt.Sprintf("/proc/%d/root%s", processes["kubelet"][0], podLogs)

	var ours, theirs podSeries
	for n := range podWarmUp + podRounds {
		place := podRest + kubeletTick*time.Duration(n)/podRounds
		our, err := ask.timePod(ctx, fmt.Sprintf("pod-%d", n), logs, place)
		if err != nil {
			return nil, err
		}
		their, err := b.timePod(place)
		if err != nil {
			return nil, fmt.Errorf("on the bare node: %w", err)
		}
		if n >= podWarmUp {
			ours.add(our)
			theirs.add(their)
		}
	}
	memory, err := ask.nodeMemory(ctx)
	if err != nil {
		return nil, err
	}
	bare, err := b.memory()
	if err != nil {
		return nil, err
	}
	rows := []Row{
		against("pod with a local image, create to Ready, p50", percentile(ours.ready, 50), percentile(theirs.ready, 50), "s", "< 1, ratio <= 1.1"),
		against("pod with a local image, create to Ready, p90", percentile(ours.ready, 90), percentile(theirs.ready, 90), "s", ""),
		against("of it, until its program runs, p50", percentile(ours.runs, 50), percentile(theirs.runs, 50), "s", ""),
		against("of it, until its program runs, p90", percentile(ours.runs, 90), percentile(theirs.runs, 90), "s", ""),
	}
	for _, program := range []string{"kubelet", "containerd"} {
		rows = append(rows, against("private memory of a node after that: "+program, mib(memory[program]), mib(bare[program]), "MiB", ""))
	}
	return rows, nil
}

// createNodes makes a nodegroup of real nodes and waits until all are Ready and can run pods.
func (s *server) createNodes(ctx context.Context, ask *kubeAsker, n int32) error {
	role, err := s.createNodeRole(ctx)
	if err != nil {
		return err
	}
	if err := s.createNodegroup(ctx, ask.cluster.name, role, n); err != nil {
		return err
	}
	if err := ask.until(ctx, "/api/v1/nodes", int(n)); err != nil {
		return err
	}
	return ask.until(ctx, "/api/v1/namespaces/kube-system/pods", 2*int(n)+2) // vpc-cni and kube-proxy on each, CoreDNS twice
}

// podOf is a pod of the echo image with a name, on a node if that has one, that runs a command if there is one.
func podOf(name, node string, command ...string) (string, error) {
	args, err := json.Marshal(command)
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q}, "spec": {
		"nodeName": %q, "restartPolicy": "Never",
		"containers": [{"name": "c", "image": "minato.local/echo", "imagePullPolicy": "IfNotPresent", "args": %s}]}}`, name, node, args), err
}

// podTimes are since a pod was asked for: until its program has said something, and until a watch showed it Ready.
type podTimes struct{ Runs, Ready time.Duration }

type podSeries struct{ runs, ready []time.Duration }

func (s *podSeries) add(t podTimes) {
	s.runs, s.ready = append(s.runs, t.Runs), append(s.ready, t.Ready)
}

// timePod waits for so long, makes a pod, takes its times and removes it. The node's logs of pods are in a folder.
func (a *kubeAsker) timePod(ctx context.Context, name, logs string, wait time.Duration) (took podTimes, err error) {
	ctx, cancel := context.WithTimeout(ctx, nodeLimit)
	defer cancel()
	events, err := a.watch(ctx, podsPath+"?watch=true&fieldSelector="+url.QueryEscape("metadata.name="+name))
	if err != nil {
		return took, err
	}
	defer func() { _ = events.Close() }()
	pod, err := podOf(name, "", "serve", ":8080")
	if err != nil {
		return took, err
	}
	if err := sleep(ctx, wait); err != nil {
		return took, err
	}
	begun := time.Now()
	if err := a.do(ctx, http.MethodPost, podsPath, pod, nil); err != nil {
		return took, err
	}
	for decoder := json.NewDecoder(events); ; {
		var e struct {
			Type   string
			Object object
		}
		if err := decoder.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the watch ended")
			}
			return took, fmt.Errorf("waiting for pod %s: %w", name, err)
		}
		switch {
		case e.Type == "DELETED":
			return took, nil
		case took.Ready == 0 && e.Object.ready():
			took.Ready = time.Since(begun)
			log, err := os.Stat(filepath.Join(logs, "default_"+name+"_"+e.Object.Metadata.UID, "c", "0.log")) // with one line, by now
			if err != nil {
				return took, err
			}
			took.Runs = log.ModTime().Sub(begun)
			if err := a.do(ctx, http.MethodDelete, podsPath+"/"+name, "", nil); err != nil {
				return took, err
			}
		}
	}
}
