package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"minato.dev/minato/cluster/node/podagent"
)

func podAgentCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pod-identity-agent", Short: "give a node's pods their credentials", Hidden: true, Args: cobra.NoArgs}
	f := cmd.Flags()
	var c podagent.Config
	f.StringVar(&c.Endpoint, "endpoint", "", "URL of EKS Auth")
	ca := f.String("endpoint-ca", "", "who signed the endpoint's certificate: PEM in base64")
	f.StringVar(&c.ClusterName, "cluster-name", "", "name of the cluster")
	f.StringSliceVar(&c.BindHosts, "bind-hosts", nil, "addresses to listen on, instead of those of EKS on a link of their own")
	f.IntVar(&c.Port, "port", 80, "port for pods")
	f.IntVar(&c.ProbePort, "probe-port", 2703, "port for probes")
	f.IntVar(&c.MetricsPort, "metrics-port", 2705, "port for metrics")
	f.IntVar(&c.APIPort, "api-port", 0, "port where pods reach the AWS APIs, over TLS from here on; 0 for none")
	keys := f.String("credentials-dir", "", "folder with the agent's own access key, instead of the role of the node")
	f.BoolVar(&c.Rotate, "rotate-credentials", true, "renew credentials before they end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c.Region = os.Getenv("AWS_REGION")
		if c.Endpoint == "" || c.ClusterName == "" || c.Region == "" {
			return usageError{errors.New("--endpoint, --cluster-name and the variable AWS_REGION are needed")}
		}
		trust, err := endpointTLS(*ca)
		if err != nil {
			return err
		}
		c.Client = podagent.NewClient(trust)
		if c.APIPort != 0 {
			if c.DialAPI, err = apiDialer(c.Endpoint, trust); err != nil {
				return err
			}
		}
		if *keys != "" {
			c.NodeKey = podagent.FolderKey(*keys)
		}
		c.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
		return podagent.Run(cmd.Context(), c)
	}
	return cmd
}

// endpointTLS trusts the authority that signed the endpoint's certificate; nil where it is one that everybody trusts, or none. In a VPC
// the endpoint has another address than in its certificate, so the name is the one that all our certificates have.
func endpointTLS(ca string) (*tls.Config, error) {
	if ca == "" {
		return nil, nil
	}
	pem, err := base64.StdEncoding.DecodeString(ca)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return nil, usageError{errors.New("--endpoint-ca is no certificate in base64")}
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost"}, nil
}

// apiDialer connects to the AWS APIs at an endpoint.
func apiDialer(endpoint string, trust *tls.Config) (func(context.Context) (*tls.Conn, error), error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.Port() == "" {
		return nil, usageError{fmt.Errorf("--api-port needs an --endpoint https://HOST:PORT, not %q", endpoint)}
	}
	dialer := &tls.Dialer{Config: trust}
	return func(ctx context.Context) (*tls.Conn, error) {
		c, err := dialer.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		return c.(*tls.Conn), nil // as its documentation says
	}, nil
}
