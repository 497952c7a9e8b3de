// Command clientgo is a client made with client-go, which lists flow schemas as the group version of its argument has them. It is a
// module of its own, so that Minato's own module does not depend on client-go.
package main

import (
	"context"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	if err := list(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// list goes by $KUBECONFIG, and is called by client-go's own user agent.
func list(ctx context.Context, version string) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.Resource(schema.GroupVersionResource{Group: "flowcontrol.apiserver.k8s.io", Version: version, Resource: "flowschemas"}).List(ctx, metav1.ListOptions{})
	return err
}
