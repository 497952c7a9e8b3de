package e2e

import (
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// network makes a network as for a cluster of one's own and takes it away again, as somebody types it. Every line must
// succeed; the lines that follow `echo` are what the test looks for, in this order.
const network = `
VPC=$(aws ec2 create-vpc --cidr-block 10.7.0.0/16 --tag-specifications 'ResourceType=vpc,Tags=[{Key=Name,Value=own}]' --query Vpc.VpcId --output text)
A=$(aws ec2 create-subnet --vpc-id $VPC --cidr-block 10.7.0.0/24 --availability-zone us-east-1a --query Subnet.SubnetId --output text)
IGW=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --internet-gateway-id $IGW --vpc-id $VPC
RTB=$(aws ec2 create-route-table --vpc-id $VPC --query RouteTable.RouteTableId --output text)
aws ec2 create-route --route-table-id $RTB --destination-cidr-block 0.0.0.0/0 --gateway-id $IGW
ASSOC=$(aws ec2 associate-route-table --route-table-id $RTB --subnet-id $A --query AssociationId --output text)
EIP=$(aws ec2 allocate-address --query AllocationId --output text)
NAT=$(aws ec2 create-nat-gateway --subnet-id $A --allocation-id $EIP --query NatGateway.NatGatewayId --output text)
echo free $(aws ec2 describe-subnets --subnet-ids $A --query 'Subnets[0].AvailableIpAddressCount')
SG=$(aws ec2 create-security-group --group-name web --description web --vpc-id $VPC --query GroupId --output text)
aws ec2 authorize-security-group-ingress --group-id $SG --ip-permissions 'IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges=[{CidrIp=0.0.0.0/0,Description=web}]'
echo rules $(aws ec2 describe-security-group-rules --filters Name=group-id,Values=$SG --query 'length(SecurityGroupRules)')
! aws ec2 delete-vpc --vpc-id $VPC
aws ec2 delete-nat-gateway --nat-gateway-id $NAT
aws ec2 wait nat-gateway-deleted --nat-gateway-ids $NAT
aws ec2 release-address --allocation-id $EIP
aws ec2 delete-security-group --group-id $SG
aws ec2 disassociate-route-table --association-id $ASSOC
aws ec2 delete-route-table --route-table-id $RTB
aws ec2 delete-subnet --subnet-id $A
aws ec2 detach-internet-gateway --internet-gateway-id $IGW --vpc-id $VPC
aws ec2 delete-internet-gateway --internet-gateway-id $IGW
aws ec2 delete-vpc --vpc-id $VPC
echo left $(aws ec2 describe-vpcs --filters Name=tag:Name,Values=own --query 'length(Vpcs)')
`

func TestNetwork(t *testing.T) {
	t.Parallel()
	// A server of its own: other tests take the first subnets that they find.
	admin := testenv.Start(t, testenv.Options{}).Admin(t)
	out := admin.Shell(t, network)
	rest := out
	for _, want := range []string{"free 250", `"CidrIpv4": "0.0.0.0/0"`, "rules 2", "left 0"} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the output lacks %q, or not in this order:\n%s", want, out)
		}
		rest = after
	}
	for _, tt := range []struct {
		texts []string
		args  []string
	}{
		{[]string{"InvalidVpc.Range", "10.0.0.0/8"}, []string{"create-vpc", "--cidr-block", "10.0.0.0/8"}},
		{[]string{"InvalidAMIID.Malformed", `Invalid id: "ami-1" (expecting "ami-...")`}, []string{"run-instances", "--image-id", "ami-1", "--instance-type", "t3.small"}},
		{[]string{"UnsupportedOperation", "ec2:StopInstances"}, []string{"stop-instances", "--instance-ids", "i-1"}},
	} {
		admin.RefusedAWS(t, tt.texts, append([]string{"ec2"}, tt.args...)...)
	}
}
