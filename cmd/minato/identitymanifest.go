package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"minato.dev/minato/server/control"
)

func identityManifestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "manifest --cluster NAME --image IMAGE",
		Short: "print what to apply to a cluster that runs elsewhere, so that its pods find their credentials",
		Long: `Print what to apply to a cluster that runs elsewhere, so that its pods find the credentials of their Pod Identity
associations: the agent for its nodes, and the webhook that leads new pods to it. The cluster must be connected (minato
identity register). Its kube-apiserver and its nodes must reach this server's port for TLS at --address, which the server
must have been started with (minato up --advertise-address). Its nodes pull the agent's image from a registry of yours; the agent
signs with an access key of yours, from the Secret eks-pod-identity-agent in kube-system.`,
		Example: `    crane copy 127.0.0.1:4568/eks/eks-pod-identity-agent:v1.0.0 registry.example/eks-pod-identity-agent:v1.0.0
    aws iam create-user --user-name edge-agent
    aws iam put-user-policy --user-name edge-agent --policy-name agent --policy-document '{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"eks-auth:AssumeRoleForPodIdentity","Resource":"arn:aws:eks:us-east-1:111122223333:cluster/edge"}]}'
    aws iam create-access-key --user-name edge-agent
    kubectl -n kube-system create secret generic eks-pod-identity-agent \
        --from-literal=aws-access-key-id=AKIA… --from-literal=aws-secret-access-key=…
    minato identity manifest --cluster edge --image registry.example/eks-pod-identity-agent:v1.0.0 | kubectl apply -f -`,
		Args: cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	var q control.ManifestRequest
	flags := cmd.Flags()
	flags.StringVar(&q.Cluster, "cluster", "", "name of the cluster")
	flags.StringVar(&q.Account, "account", "", "account of the cluster (default the server's first)")
	flags.StringVar(&q.Address, "address", "", "where the cluster reaches this server (default the first that it advertises)")
	flags.StringVar(&q.Image, "image", "", "image of the agent, in a registry that the cluster's nodes pull from")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range []string{"cluster", "image"} {
			if flags.Lookup(name).Value.String() == "" {
				return usageError{fmt.Errorf("--%s is missing\nusage: minato identity %s", name, cmd.Use)}
			}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		manifest, err := control.Manifest(cmd.Context(), d, q)
		if err != nil {
			return err
		}
		_, err = io.WriteString(cmd.OutOrStdout(), manifest)
		return err
	}
	return cmd
}
