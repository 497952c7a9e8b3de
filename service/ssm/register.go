package ssm

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// Cluster is what a machine that wants to be a node must know of its cluster, and what it must fit into.
type Cluster struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Version     string `json:"version"` // "1.35"
	Endpoint    string `json:"endpoint"`
	CA          []byte `json:"ca"` // PEM
	ServiceCIDR string `json:"serviceCidr"`
	// NodeNetworks and PodNetworks are the cluster's remoteNetworkConfig.
	NodeNetworks []netip.Prefix `json:"nodeNetworks"`
	PodNetworks  []netip.Prefix `json:"podNetworks"`
}

// Registration is what a machine says of itself when it registers.
type Registration struct {
	ActivationID string       `json:"activationId"`
	Code         string       `json:"activationCode"`
	PublicKey    []byte       `json:"publicKey"` // Ed25519
	Name         string       `json:"name,omitempty"`
	Cluster      string       `json:"cluster"`
	Address      netip.Addr   `json:"address"`
	PodCIDR      netip.Prefix `json:"podCidr,omitzero"`
}

// Registered is what it is then.
type Registered struct {
	InstanceID string        `json:"instanceId"`
	Name       string        `json:"name"`
	Region     minato.Region `json:"region"`
	Cluster    Cluster       `json:"cluster"`
	TunnelPort int           `json:"tunnelPort"` // of the server, for the control plane's way in
}

var nodeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// Register makes a machine a managed instance, with an activation that allows it. Whoever fails does not learn why: an id that is
// not there and a wrong code look alike.
func (s *Service) Register(ctx context.Context, r Registration) (out Registered, err error) {
	found, err := s.activation(ctx, r.ActivationID, r.Code)
	if err != nil {
		return out, err
	}
	scope := found.Value.Scope
	i := ManagedInstance{
		Scope: scope, ID: newInstanceID(), ActivationID: r.ActivationID, RoleARN: found.Value.RoleARN, PublicKey: r.PublicKey,
		RegisteredAt: s.Now().UTC(), Name: r.Name, Cluster: r.Cluster, Address: r.Address, PodCIDR: r.PodCIDR,
	}
	if i.Name == "" {
		i.Name = i.ID
	}
	cluster, err := s.Cluster(ctx, scope, r.Cluster)
	if err != nil {
		return out, err
	}
	i.ClusterID = cluster.ID
	if err := i.check(cluster); err != nil {
		return out, err
	}
	s.registering.Lock()
	defer s.registering.Unlock()
	err = s.transact(ctx, func() ([]store.Op, error) { return s.registerOps(ctx, found.ID, i) })
	return Registered{InstanceID: i.ID, Name: i.Name, Region: scope.Region, Cluster: cluster, TunnelPort: s.TunnelPort}, err
}

// activation finds an activation of any account by its id and code.
func (s *Service) activation(ctx context.Context, id, code string) (found store.Item[Activation], err error) {
	page, err := Activations(s.Store).List(ctx, "", "", 0)
	if err != nil {
		return found, err
	}
	for _, item := range page.Items {
		if item.Value.ID == id && subtle.ConstantTimeCompare(item.Value.CodeHash, hashCode(code)) == 1 {
			return item, nil
		}
	}
	return found, minato.Errorf(minato.Unauthenticated, "The activation id or its code is wrong, or the activation has been deleted").Because("InvalidActivation")
}

// registerOps uses an activation once, if it still may be.
func (s *Service) registerOps(ctx context.Context, activationID string, i ManagedInstance) ([]store.Op, error) {
	a, err := Activations(s.Store).Get(ctx, activationID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, minato.Errorf(minato.Unauthenticated, "The activation has been deleted").Because("InvalidActivation")
	}
	if err != nil {
		return nil, err
	}
	if a.Value.Expired(s.Now()) {
		return nil, minato.Errorf(minato.Denied, "The activation expired on %s", a.Value.ExpiresAt.Format(time.RFC3339)).Because("InvalidActivation")
	}
	if a.Value.Count >= a.Value.Limit {
		return nil, minato.Errorf(minato.LimitExceeded, "The activation has been used %d times, which is its registration limit", a.Value.Count).
			Because("InvalidActivation")
	}
	if err := s.unique(ctx, i); err != nil {
		return nil, err
	}
	a.Value.Count++
	return []store.Op{
		Activations(s.Store).UpdateOp(a),
		names(s.Store).CreateOp(RecordID(i.Scope, i.Name), name{i.ID}),
		Instances(s.Store).CreateOp(RecordID(i.Scope, i.ID), i),
	}, nil
}

// unique is whether nobody else has the name, or an address in the same cluster.
func (s *Service) unique(ctx context.Context, i ManagedInstance) error {
	page, err := Instances(s.Store).List(ctx, RecordID(i.Scope, ""), "", 0)
	if err != nil {
		return err
	}
	for _, item := range page.Items {
		o := item.Value
		switch {
		case o.Name == i.Name:
			return minato.Errorf(minato.AlreadyExists, "The name %s is that of %s already: choose another, or deregister that one", i.Name, o.ID)
		case o.ClusterID != i.ClusterID:
		case o.Address == i.Address:
			return minato.Errorf(minato.AlreadyExists, "The address %s is that of %s (%s) already", i.Address, o.Name, o.ID)
		case o.PodCIDR.IsValid() && i.PodCIDR.IsValid() && o.PodCIDR.Overlaps(i.PodCIDR):
			return minato.Errorf(minato.AlreadyExists, "The pod network %s overlaps %s, that of %s (%s)", i.PodCIDR, o.PodCIDR, o.Name, o.ID)
		}
	}
	return nil
}

// check is whether a machine fits into its cluster, with a name that cannot be taken for an EC2 instance's.
func (i ManagedInstance) check(c Cluster) error {
	if len(i.PublicKey) != ed25519.PublicKeySize {
		return invalid(reasonParameter, "The public key has %d bytes: want the %d of Ed25519", len(i.PublicKey), ed25519.PublicKeySize)
	}
	if !nodeName.MatchString(i.Name) || strings.HasPrefix(i.Name, "i-") || strings.HasSuffix(i.Name, ".internal") ||
		strings.HasPrefix(i.Name, "mi-") && i.Name != i.ID || strings.HasPrefix(i.Name, "fargate-") {
		return invalid(reasonParameter, "The name %q cannot be that of a hybrid node: want up to 63 lower-case letters, digits, '-' and '.', "+
			"that do not look like the name of an EC2 instance, a Fargate node or a managed instance", i.Name)
	}
	if len(c.NodeNetworks) == 0 {
		return invalid(reasonParameter, "Cluster %s has no remoteNetworkConfig: give it one with the networks of its hybrid nodes", c.Name)
	}
	if !within(c.NodeNetworks, netip.PrefixFrom(i.Address, i.Address.BitLen())) {
		return invalid(reasonParameter, "The address %s is in none of the remoteNodeNetworks of cluster %s: %v", i.Address, c.Name, c.NodeNetworks)
	}
	if i.PodCIDR.IsValid() && (i.PodCIDR != i.PodCIDR.Masked() || !within(c.PodNetworks, i.PodCIDR)) {
		return invalid(reasonParameter, "The pod network %s is in none of the remotePodNetworks of cluster %s: %v", i.PodCIDR, c.Name, c.PodNetworks)
	}
	return nil
}

func within(networks []netip.Prefix, p netip.Prefix) bool {
	for _, n := range networks {
		if p.IsValid() && n.Contains(p.Addr()) && n.Bits() <= p.Bits() {
			return true
		}
	}
	return false
}

func newInstanceID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "mi-0" + hex.EncodeToString(b[:])
}

// Proof is a managed instance's wish for credentials, signed with the key that it registered.
type Proof struct {
	InstanceID string    `json:"instanceId"`
	At         time.Time `json:"at"`
	Signature  []byte    `json:"signature"`
}

// proofFor is how long a proof is good, by clocks that differ.
const proofFor = 5 * time.Minute

func (p Proof) message() []byte {
	var b bytes.Buffer
	b.WriteString("minato hybrid credentials v1\n" + p.InstanceID + "\n" + p.At.UTC().Format(time.RFC3339))
	return b.Bytes()
}

// Prove signs a wish for credentials.
func Prove(id string, key ed25519.PrivateKey, now time.Time) Proof {
	p := Proof{InstanceID: id, At: now.UTC().Truncate(time.Second)}
	p.Signature = ed25519.Sign(key, p.message())
	return p
}

// SessionLength is how long a node's credentials last, and so how long Minato's API can be away.
const SessionLength = 12 * time.Hour

// Credentials gives a managed instance credentials of its role, in a session that has its node's name. realNow is the machine's time:
// proofs are not subject to a test clock.
func (s *Service) Credentials(ctx context.Context, p Proof, realNow time.Time) (iam.Temporary, error) {
	refused := minato.Errorf(minato.Unauthenticated, "The managed instance is not known, or the proof is not its").Because("InvalidInstanceId")
	page, err := Instances(s.Store).List(ctx, "", "", 0)
	if err != nil {
		return iam.Temporary{}, err
	}
	for _, item := range page.Items {
		i := item.Value
		if i.ID != p.InstanceID {
			continue
		}
		if !ed25519.Verify(i.PublicKey, p.message(), p.Signature) {
			return iam.Temporary{}, refused
		}
		if d := realNow.Sub(p.At).Abs(); d > proofFor {
			return iam.Temporary{}, minato.Errorf(minato.Unauthenticated, "The machine's clock is %s off", d.Round(time.Second)).Because("RequestExpired")
		}
		return s.Session(ctx, i.RoleARN, i.ARN(), i.Name, SessionLength)
	}
	return iam.Temporary{}, refused
}

// ManagedInstances are all of the scope.
func (s *Service) ManagedInstances(ctx context.Context, c Caller) ([]ManagedInstance, error) {
	if err := s.authorize(ctx, c, "DescribeInstanceInformation"); err != nil {
		return nil, err
	}
	page, err := Instances(s.Store).List(ctx, RecordID(c.Scope, ""), "", 0)
	if err != nil {
		return nil, err
	}
	all := make([]ManagedInstance, len(page.Items))
	for i, item := range page.Items {
		all[i] = item.Value
	}
	return all, nil
}

// Deregister forgets a managed instance. It gets no more credentials and has no tunnel; those that it has last up to 12 hours.
func (s *Service) Deregister(ctx context.Context, c Caller, id string) error {
	if err := s.authorize(ctx, c, "DeregisterManagedInstance"); err != nil {
		return err
	}
	return s.transact(ctx, func() ([]store.Op, error) {
		item, err := Instances(s.Store).Get(ctx, RecordID(c.Scope, id))
		if errors.Is(err, store.ErrNotFound) {
			return nil, invalid("InvalidInstanceId", "Instance %s is not registered", id)
		}
		if err != nil {
			return nil, err
		}
		return []store.Op{
			Instances(s.Store).DeleteOp(item),
			store.Delete(names(s.Store).Key(RecordID(c.Scope, item.Value.Name)), store.AnyRevision),
		}, nil
	})
}
