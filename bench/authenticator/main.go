// Command authenticator is the webhook server of aws-iam-authenticator as it is released, with an STS of ours: whatever STS it
// calls, the connection goes to the address given. The bench compares our authentication with it.
//
// It is a module of its own so that what aws-iam-authenticator needs never reaches a build of Minato.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go/aws/endpoints"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper"
	"sigs.k8s.io/aws-iam-authenticator/pkg/metrics"
	"sigs.k8s.io/aws-iam-authenticator/pkg/server"
)

func main() {
	sts := flag.String("sts", "", "host:port that serves STS over TLS")
	ca := flag.String("ca", "", "file with the CA of its certificate")
	cluster := flag.String("cluster", "", "name of the cluster that tokens are for")
	account := flag.String("account", "", "account whose users may all enter")
	port := flag.Int("port", 0, "port to serve on, on 127.0.0.1")
	state := flag.String("state", "", "folder for its own certificate")
	flag.Parse()
	if err := redirect(*sts, *ca); err != nil {
		log.Fatal(err)
	}
	metrics.InitMetrics(prometheus.DefaultRegisterer)
	stop := make(chan struct{})
	server.New(config.Config{
		PartitionID:            endpoints.AwsPartitionID,
		ClusterID:              *cluster,
		KubeconfigPregenerated: true,
		HostPort:               *port,
		Hostname:               "localhost",
		Address:                "127.0.0.1",
		StateDir:               *state,
		AutoMappedAWSAccounts:  []string{*account},
		BackendMode:            []string{mapper.ModeMountedFile},
	}, stop).Run(stop)
}

// redirect changes where the transport goes that the authenticator calls STS with, which is Go's default, and whom it trusts.
// How it keeps connections is left as it is: two idle ones, so that under load it opens one for most tokens.
func redirect(sts, caFile string) error {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	t := http.DefaultTransport.(*http.Transport)
	t.Proxy = nil
	t.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: "localhost"}
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, sts)
	}
	return nil
}
