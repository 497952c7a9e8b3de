package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"minato.dev/minato/internal/jwks"
	"minato.dev/minato/server/control"
)

func registerIdentityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "register --cluster NAME --issuer URL --jwks FILE",
		Short: "connect a cluster that runs elsewhere, so that its pods can have AWS credentials",
		Long: `Connect a cluster that runs elsewhere, so that its pods can have AWS credentials: say who signs its ServiceAccount tokens, and
with which keys. Say it again when its keys change. The cluster must be registered (aws eks register-cluster).`,
		Example: `    aws eks register-cluster --name edge --connector-config roleArn=arn:aws:iam::111122223333:role/connector,provider=OTHER
    kubectl get --raw /openid/v1/jwks > keys.json
    minato identity register --cluster edge --jwks keys.json \
        --issuer "$(kubectl get --raw /.well-known/openid-configuration | jq -r .issuer)"
    aws eks create-pod-identity-association --cluster-name edge --namespace dev --service-account app --role-arn …`,
		Args: cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	var q control.ConnectRequest
	flags := cmd.Flags()
	flags.StringVar(&q.Cluster, "cluster", "", "name of the cluster")
	flags.StringVar(&q.Account, "account", "", "account of the cluster (default the server's first)")
	flags.StringVar(&q.Issuer, "issuer", "", "issuer of its ServiceAccount tokens")
	file := flags.String("jwks", "", "file with its public keys, as kubectl get --raw /openid/v1/jwks prints them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range []string{"cluster", "issuer", "jwks"} {
			if flags.Lookup(name).Value.String() == "" {
				return usageError{fmt.Errorf("--%s is missing\nusage: minato identity %s", name, cmd.Use)}
			}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		if q.JWKS, err = readKeys(*file); err != nil {
			return err
		}
		if err := control.ConnectCluster(cmd.Context(), d, q); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Cluster %s is connected: its pods can have the roles of its Pod Identity associations.\n", q.Cluster)
		return nil
	}
	return cmd
}

// readKeys reads a file that must be JSON.
func readKeys(name string) (json.RawMessage, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, jwks.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if _, err := jwks.Parse(b); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}
