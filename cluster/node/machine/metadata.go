package machine

import (
	"encoding/json"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato/cluster/node/imds"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/ec2"
)

// metadata is what the node's metadata service says.
func metadata(h home.Dir, s Spec) (imds.Config, error) {
	document, err := json.MarshalIndent(map[string]any{
		"accountId": s.Account, "architecture": architecture(), "availabilityZone": s.Zone, "imageId": s.ImageID,
		"instanceId": s.InstanceID, "instanceType": s.InstanceType, "pendingTime": s.LaunchedAt.UTC().Format(time.RFC3339),
		"privateIp": s.Network.Primary(), "region": s.Region, "version": "2017-09-30",
		"billingProducts": nil, "devpayProductCodes": nil, "marketplaceProductCodes": nil, "kernelId": nil, "ramdiskId": nil,
	}, "", "  ")
	if err != nil {
		return imds.Config{}, err
	}
	lifeCycle := "on-demand"
	if s.Spot {
		lifeCycle = "spot"
	}
	values := map[string]string{
		"meta-data/ami-id":                      s.ImageID,
		"meta-data/ami-launch-index":            strconv.Itoa(s.LaunchIndex),
		"meta-data/ami-manifest-path":           "(unknown)",
		"meta-data/block-device-mapping/ami":    ec2.RootDevice,
		"meta-data/block-device-mapping/root":   ec2.RootDevice,
		"meta-data/hostname":                    s.Name,
		"meta-data/instance-action":             "none",
		"meta-data/instance-id":                 s.InstanceID,
		"meta-data/instance-life-cycle":         lifeCycle,
		"meta-data/instance-type":               s.InstanceType,
		"meta-data/local-hostname":              s.Name,
		"meta-data/local-ipv4":                  s.Network.Primary().String(),
		"meta-data/mac":                         s.Network.MAC,
		"meta-data/placement/availability-zone": s.Zone,
		"meta-data/placement/region":            s.Region,
		"meta-data/profile":                     "default-hvm",
		"meta-data/reservation-id":              s.ReservationID,
		"meta-data/services/domain":             "amazonaws.com",
		"meta-data/services/partition":          "aws",
		"meta-data/system":                      "nitro",
		"dynamic/instance-identity/document":    string(document),
	}
	if s.ZoneID != "" {
		values["meta-data/placement/availability-zone-id"] = s.ZoneID
	}
	if len(s.UserData) > 0 {
		values["user-data"] = string(s.UserData)
	}
	for name, value := range interfaceMetadata(s) {
		values["meta-data/network/interfaces/macs/"+s.Network.MAC+"/"+name] = value
	}
	c := imds.Config{Values: values, TokensOptional: s.TokensOptional}
	if s.Role != "" {
		c.Dynamic = map[string]func() (string, bool){
			"meta-data/iam/info": func() (string, bool) { return profileInfo(h, s) },
			"meta-data/iam/security-credentials/" + s.Role: func() (string, bool) {
				credentials, err := ReadCredentials(h, s.InstanceID)
				credentials.Ends = time.Time{}
				return text(credentials, err)
			},
		}
	}
	return c, nil
}

func interfaceMetadata(s Spec) map[string]string {
	n := s.Network
	values := map[string]string{
		"device-number": "0", "interface-id": n.InterfaceID, "local-hostname": s.Name, "local-ipv4s": joined(n.Addresses), "mac": n.MAC,
		"owner-id": s.Account, "security-group-ids": strings.Join(s.SecurityGroups, "\n"), "subnet-id": n.SubnetID,
		"subnet-ipv4-cidr-block": n.Subnet.String(), "vpc-id": n.VPCID, "vpc-ipv4-cidr-blocks": joined(n.VPCCIDRs),
	}
	if len(n.VPCCIDRs) > 0 {
		values["vpc-ipv4-cidr-block"] = n.VPCCIDRs[0].String()
	}
	return values
}

func joined[T netip.Addr | netip.Prefix](values []T) string {
	var lines []string
	for _, v := range values {
		lines = append(lines, any(v).(interface{ String() string }).String())
	}
	return strings.Join(lines, "\n")
}

// profileInfo is iam/info: whether the role of the instance profile gives credentials.
func profileInfo(h home.Dir, s Spec) (string, bool) {
	c, err := ReadCredentials(h, s.InstanceID)
	return text(map[string]any{
		"Code": c.Code, "LastUpdated": c.LastUpdated, "InstanceProfileArn": s.ProfileARN, "InstanceProfileId": s.Role,
	}, err)
}

func text(v any, err error) (string, bool) {
	if err != nil {
		return "", false
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return string(b), err == nil
}

// architecture is the machine's, as AWS names it.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}
