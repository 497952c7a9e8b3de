package node

import (
	"context"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/service/ec2"
)

// deleteNodeOf deletes the Node with an instance's name, if it is that instance's: an address may have been given out again.
func deleteNodeOf(ctx context.Context, client *kubeapi.Client, i ec2.Instance) error {
	path := "/api/v1/nodes/" + i.PrivateDNSName
	var node struct {
		Spec struct {
			ProviderID string `json:"providerID"`
		} `json:"spec"`
	}
	err := client.Get(ctx, path, &node)
	if kubeapi.NotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if id := node.Spec.ProviderID; id != "" && id != providerID(i) {
		return nil
	}
	return client.Delete(ctx, path)
}

func providerID(i ec2.Instance) string { return "aws:///" + i.Zone + "/" + i.ID }
