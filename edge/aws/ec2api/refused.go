package ec2api

// refused are operations of EC2 that the clients of EKS call and that are not here: they get a clear answer, where any other
// name is answered as one that EC2 does not have.
var refused = []string{
	"AllocateAddress", "AssociateRouteTable", "AttachInternetGateway", "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress",
	"CreateInternetGateway", "CreateKeyPair", "CreateNatGateway",
	"CreateNetworkInterface", "CreateRoute", "CreateRouteTable", "CreateSecurityGroup", "CreateSubnet", "CreateTags", "CreateVolume",
	"CreateVpc", "CreateVpcEndpoint", "DeleteInternetGateway", "DeleteKeyPair", "DeleteNatGateway",
	"DeleteNetworkInterface", "DeleteRoute", "DeleteRouteTable", "DeleteSecurityGroup", "DeleteSubnet", "DeleteTags", "DeleteVolume",
	"DeleteVpc", "DescribeAccountAttributes", "DescribeAddresses", "DescribeDhcpOptions", "DescribeImages",
	"DescribeInstanceTypeOfferings", "DescribeInstanceTypes", "DescribeInstances", "DescribeInternetGateways", "DescribeKeyPairs",
	"DescribeNatGateways", "DescribeNetworkAcls",
	"DescribeNetworkInterfaces", "DescribePlacementGroups", "DescribeRegions", "DescribeRouteTables", "DescribeSecurityGroupRules",
	"DescribeTags", "DescribeVolumes", "DescribeVpcAttribute", "DescribeVpcEndpointServices", "DescribeVpcEndpoints", "ImportKeyPair",
	"ModifySubnetAttribute", "ModifyVpcAttribute", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RunInstances",
	"StartInstances", "StopInstances", "TerminateInstances",
}
