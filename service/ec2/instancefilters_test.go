package ec2_test

import (
	"testing"

	"minato.dev/minato/service/ec2"
)

// TestInstanceFilters asks for one of two instances by what it alone has, by what both have, and by what no instance here has.
func TestInstanceFilters(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	l := at(t, s, 1, "t3.medium")
	l.Metadata = ec2.MetadataOptions{HopLimit: 3}
	l.InterfaceTags = map[string]string{"cluster.k8s.amazonaws.com/name": "prod"}
	one, err := s.Launch(ctx, scope, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Running(ctx, scope, one[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Launch(ctx, scope, at(t, s, 1, "t3.large")); err != nil {
		t.Fatal(err)
	}
	nic, err := ec2.Interfaces(s.Store).Get(ctx, ec2.RecordID(scope, one[0].InterfaceID))
	if err != nil {
		t.Fatal(err)
	}
	count := func(filter, value string) int {
		t.Helper()
		page, err := s.DescribeInstances(ctx, caller, ec2.Describe{Filters: []ec2.Filter{{Name: filter, Values: []string{value}}}})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Items)
	}
	for filter, value := range map[string]string{
		"metadata-options.http-put-response-hop-limit": "3", "instance-status.status": "ok", "system-status.reachability": "passed",
		"network-interface.attachment.attachment-id": nic.Value.AttachmentID, "network-interface.mac-address": nic.Value.MAC,
		"network-interface.private-ip-address": one[0].PrivateIP.String(), "network-interface.addresses.private-dns-name": one[0].PrivateDNSName,
		"network-interface.tag-key": "cluster.k8s.amazonaws.com/name", "network-interface.tag-value": "prod",
	} {
		if n := count(filter, value); n != 1 {
			t.Errorf("%d instances have %s %s, want one", n, filter, value)
		}
	}
	for filter, value := range map[string]string{
		"availability-zone-id": one[0].Zone[:2] + "*", "network-interface.status": "in-use", "network-interface.group-name": "default", "ebs-optimized": "false",
	} {
		if n := count(filter, value); n != 2 {
			t.Errorf("%d instances have %s %s, want two", n, filter, value)
		}
	}
	for _, filter := range []string{"ipv6-address", "network-interface.association.public-ip", "product-code", "event.code"} {
		if n := count(filter, "*"); n != 0 {
			t.Errorf("%d instances have %s", n, filter)
		}
	}
}

func TestMalformedIDs(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), t.Context()
	for id, want := range map[string]string{
		"i-0123456789abcdef0": "InvalidInstanceID.NotFound", "i-01234567": "InvalidInstanceID.NotFound", "i-012": "InvalidInstanceID.Malformed", "web": "InvalidInstanceID.Malformed",
	} {
		if _, err := s.DescribeInstances(ctx, caller, ec2.Describe{IDs: []string{id}}); reasonOf(err) != want {
			t.Errorf("describing %s: %v, want %s", id, err, want)
		}
		if _, err := s.TerminateInstances(ctx, caller, []string{id}); reasonOf(err) != want {
			t.Errorf("terminating %s: %v, want %s", id, err, want)
		}
	}
	if _, err := s.DescribeSecurityGroups(ctx, caller, ec2.Describe{IDs: []string{"default"}}, nil); reasonOf(err) != "InvalidGroupId.Malformed" {
		t.Error(err)
	}
	if err := s.DeleteInterface(ctx, caller, "eni"); reasonOf(err) != "InvalidNetworkInterfaceId.Malformed" {
		t.Error(err)
	}
	if _, err := s.DescribeImages(ctx, caller, ec2.Describe{IDs: []string{"al2023"}}, nil); reasonOf(err) != "InvalidAMIID.Malformed" {
		t.Error(err)
	}
}
