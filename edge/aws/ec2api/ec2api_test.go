package ec2api_test

import (
	"context"
	"encoding/xml"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/ec2api"
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/iam"
)

var scope = minato.Scope{Account: "111122223333", Region: "us-east-1"}

func start(t *testing.T, authorize iam.Authorize) (*query.API, *ec2.Service) {
	t.Helper()
	service := &ec2.Service{Store: memstore.New(), Now: time.Now, Authorize: authorize, Built: kube.Versions,
		Profile: func(_ context.Context, account, name string) (iam.InstanceProfile, error) {
			if name != "node" {
				return iam.InstanceProfile{}, minato.Errorf(minato.NotFound, "no %s", name)
			}
			return iam.InstanceProfile{Account: account, Path: "/", Name: name, ID: "AIPANODE", Role: "node"}, nil
		},
		Role: func(_ context.Context, account, name string) (r iam.Role, err error) {
			r.Account, r.Path, r.Name = account, "/", name
			return r, nil
		},
		Log: slog.New(slog.DiscardHandler)}
	if err := service.EnsureDefaults(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	return ec2api.New(service), service
}

func everybody(context.Context, iam.Access) error { return nil }

// call sends a form and gives the answer, with the random part of ids cut off.
func call(t *testing.T, api *query.API, form string) (status int, body string) {
	t.Helper()
	r := httptest.NewRequest("POST", "/", strings.NewReader(form+"&Version=2016-11-15"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r.WithContext(aws.WithCall(r.Context(), &aws.Call{RequestID: "rid", Scope: scope})))
	return w.Code, w.Body.String()
}

var (
	randomID = regexp.MustCompile(`-0[0-9a-f]{16}`)
	between  = regexp.MustCompile(`>\s+<`)
)

// TestShapes compares whole answers with what EC2 sends, element by element.
func TestShapes(t *testing.T) {
	t.Parallel()
	api, _ := start(t, everybody)
	for name, want := range map[string]string{
		"Action=DescribeVpcs": `<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>rid</requestId>
			<vpcSet><item>
				<vpcId>vpc-ID</vpcId><ownerId>111122223333</ownerId><state>available</state><cidrBlock>172.31.0.0/16</cidrBlock>
				<cidrBlockAssociationSet><item>
					<associationId>vpc-cidr-assoc-ID</associationId><cidrBlock>172.31.0.0/16</cidrBlock>
					<cidrBlockState><state>associated</state></cidrBlockState>
				</item></cidrBlockAssociationSet><ipv6CidrBlockAssociationSet></ipv6CidrBlockAssociationSet>
				<dhcpOptionsId>dopt-ID</dhcpOptionsId><instanceTenancy>default</instanceTenancy><isDefault>true</isDefault><tagSet></tagSet>
			</item></vpcSet></DescribeVpcsResponse>`,
		"Action=DescribeSubnets&Filter.1.Name=availability-zone&Filter.1.Value.1=us-east-1b": `
			<DescribeSubnetsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>rid</requestId>
			<subnetSet><item>
				<subnetId>subnet-ID</subnetId><subnetArn>arn:aws:ec2:us-east-1:111122223333:subnet/subnet-ID</subnetArn>
				<vpcId>vpc-ID</vpcId><ownerId>111122223333</ownerId><state>available</state><cidrBlock>172.31.16.0/20</cidrBlock>
				<ipv6CidrBlockAssociationSet></ipv6CidrBlockAssociationSet><availableIpAddressCount>4091</availableIpAddressCount>
				<availabilityZone>us-east-1b</availabilityZone><availabilityZoneId>use1-az2</availabilityZoneId>
				<defaultForAz>true</defaultForAz><mapPublicIpOnLaunch>true</mapPublicIpOnLaunch>
				<mapCustomerOwnedIpOnLaunch>false</mapCustomerOwnedIpOnLaunch><assignIpv6AddressOnCreation>false</assignIpv6AddressOnCreation>
				<enableDns64>false</enableDns64><ipv6Native>false</ipv6Native>
				<privateDnsNameOptionsOnLaunch><hostnameType>ip-name</hostnameType><enableResourceNameDnsARecord>false</enableResourceNameDnsARecord>
				<enableResourceNameDnsAAAARecord>false</enableResourceNameDnsAAAARecord></privateDnsNameOptionsOnLaunch><tagSet></tagSet>
			</item></subnetSet></DescribeSubnetsResponse>`,
		"Action=DescribeSecurityGroups&GroupName.1=default": `
			<DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>rid</requestId>
			<securityGroupInfo><item>
				<groupId>sg-ID</groupId><securityGroupArn>arn:aws:ec2:us-east-1:111122223333:security-group/sg-ID</securityGroupArn>
				<groupName>default</groupName><groupDescription>default VPC security group</groupDescription><vpcId>vpc-ID</vpcId>
				<ownerId>111122223333</ownerId>
				<ipPermissions><item><ipProtocol>-1</ipProtocol><groups><item><userId>111122223333</userId><groupId>sg-ID</groupId></item></groups>
					<ipRanges></ipRanges><ipv6Ranges></ipv6Ranges><prefixListIds></prefixListIds></item></ipPermissions>
				<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups></groups>
					<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges></ipv6Ranges><prefixListIds></prefixListIds>
				</item></ipPermissionsEgress><tagSet></tagSet>
			</item></securityGroupInfo></DescribeSecurityGroupsResponse>`,
		"Action=DescribeAvailabilityZones&ZoneName.1=us-east-1c": `
			<DescribeAvailabilityZonesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>rid</requestId>
			<availabilityZoneInfo><item>
				<zoneName>us-east-1c</zoneName><zoneId>use1-az3</zoneId><zoneState>available</zoneState><zoneType>availability-zone</zoneType>
				<regionName>us-east-1</regionName><groupName>us-east-1-zg-1</groupName><networkBorderGroup>us-east-1</networkBorderGroup>
				<optInStatus>opt-in-not-required</optInStatus><messageSet></messageSet>
			</item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := call(t, api, name)
			_, body, _ = strings.Cut(body, "\n") // behind the XML declaration
			got := randomID.ReplaceAllString(body, "-ID")
			want := strings.TrimSpace(between.ReplaceAllString(want, "><"))
			if diff := cmp.Diff(strings.ReplaceAll(want, "><", ">\n<"), strings.ReplaceAll(got, "><", ">\n<")); diff != "" || status != http.StatusOK {
				t.Errorf("status %d (-want +got)\n%s", status, diff)
			}
		})
	}
}

func TestSubnetsByTagAndPage(t *testing.T) {
	t.Parallel()
	api, service := start(t, everybody)
	ctx := t.Context()
	vpcs, err := service.DescribeVPCs(ctx, ec2.Caller{Scope: scope}, ec2.Describe{})
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		_, ops, err := service.NewSecurityGroup(ctx, scope, vpcs.Items[0].ID, "g", "d", minato.Tags{"team": "", "a": "b&c"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := service.Store.Commit(ctx, ops...); err != nil {
			t.Fatal(err)
		}
	}
	var page struct {
		Groups []struct {
			Tags []struct {
				Key   string `xml:"key"`
				Value string `xml:"value"`
			} `xml:"tagSet>item"`
		} `xml:"securityGroupInfo>item"`
		NextToken string `xml:"nextToken"`
	}
	const ask = "Action=DescribeSecurityGroups&MaxResults=5&Filter.1.Name=tag:a&Filter.1.Value.1=b%26c"
	_, body := call(t, api, ask)
	if err := xml.Unmarshal([]byte(body), &page); err != nil || len(page.Groups) != 5 || page.NextToken == "" {
		t.Fatalf("%v\n%s", err, body)
	}
	if tags := page.Groups[0].Tags; len(tags) != 2 || tags[0].Key != "a" || tags[0].Value != "b&c" || tags[1].Key != "team" {
		t.Errorf("%+v", tags)
	}
	_, body = call(t, api, ask+"&NextToken="+url.QueryEscape(page.NextToken))
	page.Groups, page.NextToken = nil, ""
	if err := xml.Unmarshal([]byte(body), &page); err != nil || len(page.Groups) != 2 || page.NextToken != "" {
		t.Errorf("%v\n%s", err, body)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		form   string
		status int
		code   string
		says   string
	}{
		"no such subnet": {"Action=DescribeSubnets&SubnetId.1=subnet-x", 400, "InvalidSubnetID.NotFound", "The subnet ID &#39;subnet-x&#39; does not exist"},
		"no such vpc":    {"Action=DescribeVpcs&VpcId.1=vpc-x", 400, "InvalidVpcID.NotFound", "The vpc ID &#39;vpc-x&#39; does not exist"},
		"no such group":  {"Action=DescribeSecurityGroups&GroupId.1=sg-0123456789abcdef0", 400, "InvalidGroup.NotFound", "The security group &#39;sg-0123456789abcdef0&#39; does not exist"},
		"no such zone":   {"Action=DescribeAvailabilityZones&ZoneName.1=mars-1a", 400, "InvalidParameterValue", "mars-1a"},
		"no such zoneid": {"Action=DescribeAvailabilityZones&ZoneId.1=m1-az1", 400, "InvalidParameterValue", "m1-az1"},
		"filter":         {"Action=DescribeVpcs&Filter.1.Name=x&Filter.1.Value.1=y", 400, "InvalidParameterValue", "The filter &#39;x&#39; is invalid"},
		"dry run":        {"Action=DescribeVpcs&DryRun=true", 412, "DryRunOperation", "would have succeeded"},
		"not a number":   {"Action=DescribeVpcs&MaxResults=many", 400, "InvalidParameterValue", "many"},
		"refused":        {"Action=StopInstances", 400, "UnsupportedOperation", "ec2:StopInstances"},
		"unknown":        {"Action=Levitate", 400, "InvalidAction", "Levitate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, _ := start(t, everybody)
			status, body := call(t, api, tc.form)
			if status != tc.status || !strings.Contains(body, "<Response><Errors><Error><Code>"+tc.code+"</Code>") || !strings.Contains(body, tc.says) {
				t.Errorf("%d %s\nwant %d %s saying %q", status, body, tc.status, tc.code, tc.says)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	api, _ := start(t, func(_ context.Context, a iam.Access) error {
		if a.Action == "ec2:DescribeVpcs" && a.Context["aws:requestedregion"][0] == "us-east-1" {
			return nil
		}
		return minato.Errorf(minato.Denied, "User: ann is not authorized to perform: %s", a.Action)
	})
	if status, body := call(t, api, "Action=DescribeVpcs"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	status, body := call(t, api, "Action=DescribeSubnets&DryRun=true")
	if status != 403 || !strings.Contains(body, "<Code>UnauthorizedOperation</Code>") || !strings.Contains(body, "ec2:DescribeSubnets") {
		t.Errorf("%d %s", status, body)
	}
}
