package controlplane

import (
	"strconv"

	"minato.dev/minato/engine/supervisor"
)

// controllerManager is the kube-controller-manager of a generation. There is one at a time, so it elects no leader.
func (p plan) controllerManager() supervisor.Spec {
	args := append(p.controller(controllerManagerComponent, p.Ports.ControllerManager),
		"--kubeconfig="+p.Dir.generation(p.Generation, controllerManagerComponent+".kubeconfig"),
		"--cluster-name="+p.ClusterName,
		"--allocate-node-cidrs=false", // pods get addresses of the VPC
		"--service-cluster-ip-range="+p.ServiceCIDR,
		"--use-service-account-credentials=true",
		// At the default of 20 requests a second, getting some 40 credentials takes longer than all else that a new cluster
		// waits for. kube-apiserver protects itself by priority and fairness.
		"--kube-api-qps=300",
		"--kube-api-burst=600",
		"--service-account-private-key-file="+p.Dir.pki("sa.key"),
		"--root-ca-file="+p.Dir.pki("ca.crt"),
		"--cluster-signing-cert-file="+p.Dir.pki("ca.crt"),
		"--cluster-signing-key-file="+p.Dir.pki("ca.key"),
		"--flex-volume-plugin-dir="+p.Dir.generation(p.Generation, flexVolumes),
	)
	return p.spec(controllerManagerComponent, args, memory())
}

// scheduler is the kube-scheduler of a generation. There is one at a time, so it elects no leader.
func (p plan) scheduler() supervisor.Spec {
	args := append(p.controller(schedulerComponent, p.Ports.Scheduler),
		"--kubeconfig="+p.Dir.generation(p.Generation, schedulerComponent+".kubeconfig"),
		// At the default of 50 requests a second it would place some 20 pods a second, however many nodes there are.
		"--kube-api-qps=300",
		"--kube-api-burst=600")
	return p.spec(schedulerComponent, args, memory())
}

// controller is what both have in common. Their own certificate spares them making an RSA one at every start.
func (p plan) controller(component string, port int) []string {
	return []string{
		"--v=2",
		"--profiling=false",
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + p.Dir.pki(component+"-server.crt"),
		"--tls-private-key-file=" + p.Dir.pki(component+"-server.key"),
	}
}
