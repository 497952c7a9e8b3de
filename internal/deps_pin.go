//go:build pin

package internal

import (
	_ "github.com/aws/aws-sdk-go-v2/service/eks"
	_ "github.com/aws/smithy-go"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/spf13/cobra"
	_ "github.com/vbauerster/mpb/v8"
	_ "go.etcd.io/etcd/client/v3"
	_ "go.etcd.io/etcd/server/v3/embed"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/time/rate"
	_ "golang.org/x/sync/errgroup"
	_ "k8s.io/api/authentication/v1"
	_ "sigs.k8s.io/yaml"
	_ "github.com/aws/smithy-go/aws-http-auth/sigv4"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/google/go-cmp/cmp"
)
