package ec2api

// refused are operations of EC2 that the clients of EKS call and that are not here: they get a clear answer, where any other
// name is answered as one that EC2 does not have.
var refused = []string{
	"AssociateAddress", "AssociateDhcpOptions", "AttachNetworkInterface", "AttachVolume", "CopyImage", "CreateDefaultSubnet",
	"CreateDefaultVpc", "CreateDhcpOptions", "CreateEgressOnlyInternetGateway", "CreateFleet", "CreateFlowLogs", "CreateImage",
	"CreateKeyPair", "CreateNetworkAcl", "CreateNetworkAclEntry", "CreatePlacementGroup", "CreateSnapshot", "CreateVolume",
	"CreateVpcEndpoint", "CreateVpcPeeringConnection", "DeleteDhcpOptions", "DeleteFlowLogs", "DeleteKeyPair", "DeleteNetworkAcl",
	"DeleteNetworkAclEntry", "DeletePlacementGroup", "DeleteSnapshot", "DeleteVolume", "DeleteVpcEndpoints", "DescribeFlowLogs",
	"DescribeInstanceTopology", "DescribeManagedPrefixLists", "DescribePrefixLists", "DescribeSnapshots",
	"DescribeSpotInstanceRequests", "DescribeSpotPriceHistory", "DescribeVpcEndpointServices", "DescribeVpcPeeringConnections",
	"DetachNetworkInterface", "DetachVolume", "DisableVgwRoutePropagation", "EnableVgwRoutePropagation",
	"GetConsoleOutput", "GetLaunchTemplateData", "ImportKeyPair", "ModifyInstanceAttribute", "ModifyInstanceMetadataOptions",
	"MonitorInstances", "RebootInstances", "RegisterImage", "ReplaceNetworkAclAssociation", "ReplaceNetworkAclEntry",
	"RequestSpotInstances", "StartInstances", "StopInstances", "UnmonitorInstances",
}
