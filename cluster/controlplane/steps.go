package controlplane

import (
	"context"

	"minato.dev/minato/kube"
)

// step is one thing that must be so. do begins by asking whether it is; an error of it ends the pass.
type step struct {
	name string // the type of its condition
	do   func(ctx context.Context, p *pass) error
}

// buildSteps is what a cluster needs, in order.
func (c *Controller) buildSteps() []step {
	d := c.deps
	built := func(minor string) bool { _, ok := d.Kube.Path(minor); return ok }
	routes := routeStep{store: d.Store, applied: d.GateApplied, state: d.GateState}
	return []step{
		{"Record", recordStep{
			records: c.planes, store: d.Store, sealer: d.Sealer, settings: d.Settings, clock: d.Clock,
			ownUIDs: d.OwnUIDs, freePorts: d.FreePorts, serviceAccountKey: c.spares.take,
		}.do},
		{"Network", networkStep{store: d.Store, ensure: d.EnsureInterfaces}.do},
		{"SigningKey", signingKeyStep{
			records: c.planes, store: d.Store, sealer: d.Sealer, clock: d.Clock, planFor: c.plan, newKey: c.spares.take, log: d.Log,
		}.do},
		{"Generation", generationStep{
			records: c.planes, store: d.Store, planFor: c.plan, freePorts: d.FreePorts, portTaken: d.PortTaken, processes: d.Processes,
		}.do},
		{"Tenant", tenantStep{ensure: d.EnsureTenant, done: &c.tenants}.do},
		{"Files", filesStep{
			home: d.Home, clock: d.Clock, tenantIdentity: d.TenantIdentity, etcdCA: d.EtcdCA, hookCA: d.HookCA, log: d.Log,
		}.do},
		{"Route", routes.begin},
		{"APIServer", apiServerStep{built: built, processes: d.Processes, slots: c.starts}.do},
		{"IdentityProvider", identityProviderStep{processes: d.Processes}.do},
		{"Switch", switchStep{records: c.planes, store: d.Store, route: routes, processes: d.Processes}.do},
		{"Controllers", controllersStep{processes: d.Processes}.do},
		{"Retire", retireStep{route: routes, processes: d.Processes}.do},
		{"Endpoint", endpointStep{routes: routes, records: c.planes, store: d.Store, freePorts: d.FreePorts}.do},
		{"Bootstrap", bootstrapStep{processes: d.Processes, webhook: c.applyPodIdentityWebhook}.do},
		{"Authenticator", authenticatorStep{hookPort: d.Settings.HookPort, hookCA: d.HookCA, tenantIdentity: d.TenantIdentity, done: &c.asked}.do},
		{"AWSAuth", awsAuthStep{}.do},
		{"Access", accessStep{applied: d.HookApplied}.do},
		{"Active", activeStep{store: d.Store, settings: d.Settings, clock: d.Clock}.do},
	}
}

// demolishSteps is what must go, in order: first the way in, then what runs, then what is kept, and the records last.
func (c *Controller) demolishSteps() []step {
	d := c.deps
	return []step{
		{"RouteRemoved", removeRouteStep{store: d.Store, applied: d.GateApplied}.do},
		{"ProcessesStopped", stopStep{processes: d.Processes}.do},
		{"TenantRemoved", removeTenantStep{remove: d.DeleteTenant, done: &c.tenants}.do},
		{"FilesRemoved", removeFilesStep{home: d.Home}.do},
		{"NetworkRemoved", removeNetworkStep{remove: d.RemoveInterfaces}.do},
		{"SecurityGroupRemoved", removeSecurityGroupStep{remove: d.DeleteSecurityGroup}.do},
		{"RecordsRemoved", removeRecordsStep{store: d.Store}.do},
	}
}

// plan is what follows from a cluster's records and the server's settings for one generation.
func (c *Controller) plan(p *pass, g Generation, version kube.Version) plan {
	cluster, plane := p.cluster, p.plane.Value
	binary, _ := c.deps.Kube.Path(version.Minor)
	return plan{
		ClusterID:   cluster.ID,
		ClusterName: cluster.Name,
		Version:     version,
		Binary:      binary,
		UID:         plane.UID,
		Generation:  g.Number,
		Ports:       g.Ports,
		ServiceCIDR: cluster.Spec.ServiceIPv4CIDR,
		Issuer:      plane.Issuer,
		Keys:        p.keys.Encryption,
		SigningKeys: plane.keyIDs(),
		OIDC:        cluster.Spec.IdentityProvider(),
		Settings:    c.deps.Settings,
		Dir:         newRunDir(c.deps.Home, cluster.ID),
		LogDir:      LogDir(c.deps.Home, cluster.ID),
	}
}
