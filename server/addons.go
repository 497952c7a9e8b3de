package server

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/cluster/addon"
	"minato.dev/minato/cluster/addon/catalogue"
	"minato.dev/minato/cluster/gate"
	"minato.dev/minato/engine/reconcile"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// addonWorkers is how many add-ons are worked on at once. A pass is a few dozen requests to a kube-apiserver.
const addonWorkers = 4

// startAddons makes the reconcilers of add-ons.
func (s *Server) startAddons(context.Context) (string, error) {
	log := s.log.With("part", "add-ons")
	deps := addon.Deps{
		Store:   s.store,
		Client:  s.planes.Client,
		Address: gate.VPCAddress.String(),
		Now:     s.clock.Now,
		Log:     log,
	}
	deps.API, deps.APICA = s.apiForNodes()
	defaults := &reconcile.Controller{
		Name:      "default add-ons",
		Store:     s.store,
		Sources:   []reconcile.Source{{Prefix: eks.ClustersPrefix}},
		Reconcile: addon.Defaults{Deps: deps}.Reconcile,
		Workers:   addonWorkers,
		Log:       log,
	}
	addons := &reconcile.Controller{
		Name:    "add-ons",
		Store:   s.store,
		Sources: []reconcile.Source{{Prefix: eks.AddonsPrefix}},
		Workers: addonWorkers,
		Log:     log,
	}
	controller := addon.New(deps, addons.Enqueue)
	addons.Reconcile = controller.Reconcile
	s.goRun("default add-ons", defaults.Run)
	s.goRun("workloads of add-ons", controller.Run)
	s.goRun("add-ons", addons.Run)
	return "", nil
}

// apiForNodes is where nodes reach the AWS APIs in their VPC, and who signed the certificate there, if they are served over TLS.
func (s *Server) apiForNodes() (url string, ca []byte) {
	_, port, _ := net.SplitHostPort(s.cfg.Listen) // it is listened on
	address := net.JoinHostPort(gate.VPCAddress.String(), port)
	if s.cfg.TLS() {
		return "https://" + address, s.ca.Pair.CertPEM
	}
	return "http://" + address, nil
}

// addonKinds are all add-ons as EKS's service knows them.
func addonKinds() []eks.AddonKind {
	var all []eks.AddonKind
	for _, a := range catalogue.All() {
		k := eks.AddonKind{
			Name: a.Name, Type: a.Type, Publisher: catalogue.Publisher, Owner: a.Owner, Namespace: a.Namespace, AnyNamespace: a.AnyNamespace,
			ServiceAccount: a.ServiceAccount, Schema: a.Schema(),
		}
		for _, name := range a.Policies {
			k.Policies = append(k.Policies, minato.NewARN("iam", "", "aws", "policy/"+name).String())
		}
		for _, v := range a.Versions {
			version := eks.AddonVersion{Version: v.Version, Build: v.Minor, Architectures: []string{runtime.GOARCH}, ComputeTypes: a.ComputeTypes()}
			for _, minor := range slices.Backward(kube.Versions()) {
				if v.Runs(minor) {
					version.Compatible = append(version.Compatible, eks.AddonCompatibility{Minor: minor.Minor, Default: a.DefaultOn(v, minor)})
				}
			}
			k.Versions = append(k.Versions, version)
		}
		all = append(all, k)
	}
	return all
}

// checkAddonValues is what is wrong with the configuration values of an add-on.
func checkAddonValues(name, values string) error {
	a, ok := catalogue.Lookup(name)
	if !ok {
		return fmt.Errorf("there is no add-on %q", name)
	}
	return a.CheckValues(values)
}
