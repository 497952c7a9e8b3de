package ec2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// MaxLaunch is how many instances one Launch may have: they are one commit, which has room for so many.
const MaxLaunch = 50

// Sizes of a root volume in GiB: unless asked for, and the smallest, which the image needs.
const (
	defaultDiskGiB = 20
	minDiskGiB     = 1
	maxDiskGiB     = 16384
)

// maxUserData is how long user data may be, in bytes (EC2 API reference, RunInstances).
const maxUserData = 16 << 10

// Launch is a number of instances that are alike.
type Launch struct {
	Count    int // 1 to MaxLaunch
	Type     string
	ImageID  string
	SubnetID string
	// SecurityGroups are ids of groups in the subnet's VPC; none stands for the VPC's default group.
	SecurityGroups []string
	ProfileARN     minato.ARN // the instance profile that RoleARN comes from; may be zero
	RoleARN        minato.ARN // what the instances are; zero for nobody
	UserData       []byte
	DiskGiB        int        // 0 is the image's 20
	PrivateIP      netip.Addr // the primary address of the one instance; zero lets the subnet choose
	Spot           bool
	Template       *TemplateRef
	Metadata       MetadataOptions // HopLimit 0 is 1
	ClientToken    string
	Tags           minato.Tags
	InterfaceTags  minato.Tags
	RequesterID    string // the service that launches for itself; empty for an API call
	// Fargate lets in the types of Fargate machines, and no others.
	Fargate bool
}

// LaunchOps makes instances in the state pending: their records, and the ops that make them exist, to be committed together
// with what needs them. At most one LaunchOps may stand in a commit. A commit that fails with store.ErrConflict or
// store.ErrNotFound met another change in the subnet or VPC: ask again.
func (s *Service) LaunchOps(ctx context.Context, scope minato.Scope, l Launch) ([]Instance, []store.Op, error) {
	image, itype, err := s.checkLaunch(l)
	if err != nil {
		return nil, nil, err
	}
	subnet, ok, err := get(ctx, s.subnets(), scope, l.SubnetID)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, subnetKind.missing(l.SubnetID)
	}
	groups, err := s.groupsIn(ctx, scope, subnet.Value.VPCID, l.SecurityGroups)
	if err != nil {
		return nil, nil, err
	}
	if need := l.Count * (1 + itype.PodAddresses()); need > subnet.Value.AvailableAddresses() {
		return nil, nil, subnet.Value.full()
	}
	ops := append(s.groupsExist(scope, groups), s.joinOp(scope, subnet.Value.VPCID))
	reservation := newID("r")
	var instances []Instance
	for index := range l.Count {
		i := s.newInstance(scope, l, image, subnet.Value, groups)
		i.ReservationID, i.LaunchIndex = reservation, index
		nic, err := s.newInterface(l, itype, &subnet.Value, &i)
		if err != nil {
			return nil, nil, err
		}
		instances = append(instances, i)
		ops = append(ops, s.instances().CreateOp(recordID(scope, i.ID), i), s.interfaces().CreateOp(recordID(scope, nic.ID), nic))
	}
	return instances, append(ops, s.subnets().UpdateOp(subnet)), nil
}

// Launch makes instances in a commit of their own.
func (s *Service) Launch(ctx context.Context, scope minato.Scope, l Launch) (instances []Instance, err error) {
	err = s.commit(ctx, func() (ops []store.Op, err error) {
		instances, ops, err = s.LaunchOps(ctx, scope, l)
		return ops, err
	})
	return instances, err
}

func (s *Service) checkLaunch(l Launch) (Image, InstanceType, error) {
	image, ok := s.ImageByID(l.ImageID)
	if !ok {
		return Image{}, InstanceType{}, imageKind.missing(l.ImageID)
	}
	itype, ok := InstanceTypeByName(l.Type)
	switch {
	case !ok || strings.HasPrefix(l.Type, fargatePrefix) != l.Fargate:
		return image, itype, invalid("Invalid value '%s' for InstanceType.", l.Type)
	case itype.Architecture != image.Architecture:
		return image, itype, invalid("The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. "+
			"Specify an instance type and an AMI that have matching architectures, and try again.", itype.Architecture, image.Architecture)
	case l.Count < 1 || l.Count > MaxLaunch:
		return image, itype, minato.Errorf(minato.LimitExceeded, "You have requested %d instances; want 1 to %d in one request", l.Count, MaxLaunch).
			Because("InstanceLimitExceeded")
	case len(l.UserData) > maxUserData:
		return image, itype, invalid("User data is limited to %d bytes", maxUserData)
	case l.DiskGiB != 0 && (l.DiskGiB < minDiskGiB || l.DiskGiB > maxDiskGiB):
		return image, itype, invalid("Volume of size %dGB is invalid: want %d to %d", l.DiskGiB, minDiskGiB, maxDiskGiB)
	case l.Metadata.HopLimit < 0 || l.Metadata.HopLimit > maxHops:
		return image, itype, invalid("Value (%d) for parameter HttpPutResponseHopLimit is invalid: want 1 to %d", l.Metadata.HopLimit, maxHops)
	case l.PrivateIP.IsValid() && l.Count > 1:
		return image, itype, minato.Errorf(minato.Invalid, "A private IP address may be given for one instance only, and not for %d", l.Count).
			Because("InvalidParameterCombination")
	}
	return image, itype, nil
}

func (s *Service) newInstance(scope minato.Scope, l Launch, image Image, subnet Subnet, groups []string) Instance {
	i := Instance{
		Scope: scope, ID: newID("i"), Type: l.Type, ImageID: image.ID, Minor: image.Minor, Simulated: image.Simulated,
		VPCID: subnet.VPCID, SubnetID: subnet.ID, Zone: subnet.Zone, InterfaceID: newID("eni"), SecurityGroups: groups,
		ProfileARN: l.ProfileARN, RoleARN: l.RoleARN, UserData: l.UserData, DiskGiB: l.DiskGiB, Spot: l.Spot, Template: l.Template,
		Metadata: l.Metadata, ClientToken: l.ClientToken, RequesterID: l.RequesterID, Tags: l.Tags,
		LaunchedAt: s.Now().UTC(), State: InstancePending,
	}
	if i.DiskGiB == 0 {
		i.DiskGiB = defaultDiskGiB
	}
	if i.Metadata.HopLimit == 0 {
		i.Metadata.HopLimit = 1
	}
	return i
}

// newInterface makes an instance's interface with all its addresses, which it takes from the subnet, and tells the instance.
func (s *Service) newInterface(l Launch, itype InstanceType, subnet *Subnet, i *Instance) (Interface, error) {
	addresses, err := subnet.takeWith(l.PrivateIP, 1+itype.PodAddresses())
	if err != nil {
		return Interface{}, err
	}
	nic := Interface{
		Scope: i.Scope, ID: i.InterfaceID, VPCID: i.VPCID, SubnetID: i.SubnetID, Zone: i.Zone, MAC: newMAC(),
		Addresses: addresses, SecurityGroups: i.SecurityGroups, InstanceID: i.ID, AttachmentID: newID("eni-attach"),
		AttachedAt: i.LaunchedAt, DeleteOnTermination: true, Tags: l.InterfaceTags, Simulated: i.Simulated,
	}
	i.PrivateIP = nic.Addresses[0]
	i.PrivateDNSName = PrivateDNSName(i.Scope.Region, i.PrivateIP)
	if i.Fargate() {
		i.PrivateDNSName = FargatePrefix + i.PrivateDNSName
	}
	return nic, nil
}

// groupsIn are the security groups named, which must be in a VPC; the VPC's default group if none is.
func (s *Service) groupsIn(ctx context.Context, scope minato.Scope, vpcID string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		g, err := s.defaultGroup(ctx, scope, vpcID)
		return []string{g.ID}, err
	}
	if len(ids) > maxInterfaceGroups {
		return nil, minato.Errorf(minato.LimitExceeded, "%d security groups were given for an interface: want %d at most", len(ids), maxInterfaceGroups).
			Because("SecurityGroupsPerInterfaceLimitExceeded")
	}
	seen := map[string]bool{}
	for _, id := range ids {
		g, ok, err := get(ctx, s.securityGroups(), scope, id)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, securityGroupKind.missing(id)
		case g.Value.VPCID != vpcID:
			return nil, minato.Errorf(minato.Invalid, "Security group %s and subnet belong to different networks.", id).Because("InvalidParameter")
		case seen[id]:
			return nil, minato.Errorf(minato.Invalid, "The same ID '%s' was specified twice", id).Because("InvalidGroup.Duplicate")
		}
		seen[id] = true
	}
	return ids, nil
}

// maxInterfaceGroups is how many security groups an interface may have (VPC user guide, "Amazon VPC quotas", the most that it can
// be raised to).
const maxInterfaceGroups = 16

func (s *Service) defaultGroup(ctx context.Context, scope minato.Scope, vpcID string) (SecurityGroup, error) {
	groups, err := list(ctx, s, s.securityGroups(), scope)
	if err != nil {
		return SecurityGroup{}, err
	}
	for _, g := range groups {
		if g.VPCID == vpcID && g.Name == defaultGroupName {
			return g, nil
		}
	}
	return SecurityGroup{}, vpcKind.missing(vpcID)
}

// PrivateDNSName is the DNS name of an address, such as ip-172-31-0-4.ec2.internal (VPC user guide, "DNS attributes for your VPC").
func PrivateDNSName(region minato.Region, a netip.Addr) string {
	return fmt.Sprintf("ip-%s.%s", strings.ReplaceAll(a.String(), ".", "-"), DNSDomain(region))
}

// DNSDomain is the domain of a region's private DNS names.
func DNSDomain(region minato.Region) string {
	if region == minato.DefaultRegion {
		return "ec2.internal"
	}
	return string(region) + ".compute.internal"
}

// newMAC is a random hardware address that nobody has registered, in the form of EC2's.
func newMAC() string {
	mac := net.HardwareAddr{0x02, 0, 0, 0, 0, 0}
	_, _ = rand.Read(mac[1:]) // never fails
	return mac.String()
}

// newID is a new resource id in EC2's form: the kind and 17 hexadecimal digits, the first of which is 0.
func newID(kind string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return kind + "-0" + hex.EncodeToString(b[:])
}

// maxAttempts ends a commit that others keep getting in the way of.
const maxAttempts = 100

// commit builds ops from what it reads and commits them, from the start again whenever somebody else wrote in between.
func (s *Service) commit(ctx context.Context, build func() ([]store.Op, error)) error {
	for range maxAttempts {
		ops, err := build()
		if err != nil || len(ops) == 0 {
			return err
		}
		_, err = s.Store.Commit(ctx, ops...)
		again := errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists)
		if !again || ctx.Err() != nil {
			return err
		}
	}
	return minato.Errorf(minato.Unavailable, "Too many others change the same network at this moment. Try again.").Because("RequestLimitExceeded")
}

func invalid(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because("InvalidParameterValue")
}
