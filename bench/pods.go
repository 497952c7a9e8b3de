package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// podRounds is how many pods are made, one after the other and in turns with the bare node, after podWarmUp that do not count.
	podRounds = 10
	podWarmUp = 2
	podsPath  = "/api/v1/namespaces/default/pods"
)

// benchPods makes pods of a local image one after the other, in turns with a kubelet and a containerd that were started by hand, under
// a control plane that was too. Then both nodes are idle, and their memory is read.
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

	var ours, theirs []time.Duration
	for n := range podWarmUp + podRounds {
		our, err := ask.timePod(ctx, fmt.Sprintf("pod-%d", n))
		if err != nil {
			return nil, err
		}
		their, err := b.timePod()
		if err != nil {
			return nil, fmt.Errorf("on the bare node: %w", err)
		}
		if n >= podWarmUp {
			ours, theirs = append(ours, our), append(theirs, their)
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
		against("pod with a local image, create to Ready, p50", percentile(ours, 50), percentile(theirs, 50), "s", "ratio <= 1.1"),
		against("pod with a local image, create to Ready, p90", percentile(ours, 90), percentile(theirs, 90), "s", ""),
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

// timePod makes a pod and removes it: how long it took from the request until a watch showed it Ready.
func (a *kubeAsker) timePod(ctx context.Context, name string) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, nodeLimit)
	defer cancel()
	events, err := a.watch(ctx, podsPath+"?watch=true&fieldSelector="+url.QueryEscape("metadata.name="+name))
	if err != nil {
		return 0, err
	}
	defer func() { _ = events.Close() }()
	pod, err := podOf(name, "", "sleep", "infinity")
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := a.do(ctx, http.MethodPost, podsPath, pod, nil); err != nil {
		return 0, err
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
			return 0, fmt.Errorf("waiting for pod %s: %w", name, err)
		}
		switch {
		case e.Type == "DELETED":
			return took, nil
		case took == 0 && e.Object.ready():
			took = time.Since(begun)
			if err := a.do(ctx, http.MethodDelete, podsPath+"/"+name, "", nil); err != nil {
				return 0, err
			}
		}
	}
}
