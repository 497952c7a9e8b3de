// Kubegen writes and builds the nested modules kube/v1.NN, one per Kubernetes minor, from the table in package kube.
//
//	go run ./kube/kubegen generate [MINOR ...]   write go.mod, go.sum and main.go of kube/v1.NN
//	go run ./kube/kubegen build MINOR ...        build bin/kube/v1.NN/kube
//	go run ./kube/kubegen apis                   write apis.json, the table of APIs that end
//	go run ./kube/kubegen fields                 write fields.json, the table of fields that came later
//	go run ./kube/kubegen list                   print the known minors
package main

import (
	"fmt"
	"os"

	"minato.dev/minato/kube"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kubegen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: kubegen generate|build|list [MINOR ...], or kubegen apis|fields")
	}
	if args[0] == "apis" && len(args) == 1 {
		return apis()
	}
	if args[0] == "fields" && len(args) == 1 {
		return fields()
	}
	minors, err := selected(args[1:])
	if err != nil {
		return err
	}
	switch args[0] {
	case "list":
		for _, v := range minors {
			fmt.Println(v.Minor)
		}
		return nil
	case "generate":
		return each(minors, generate)
	case "build":
		return each(minors, build)
	}
	return fmt.Errorf("unknown command %q: want generate, build, list, apis or fields", args[0])
}

func selected(names []string) ([]kube.Version, error) {
	if len(names) == 0 {
		return kube.Versions(), nil
	}
	var vs []kube.Version
	for _, n := range names {
		v, ok := kube.Lookup(n)
		if !ok {
			return nil, fmt.Errorf("no Kubernetes minor %q in kube/versions.json", n)
		}
		vs = append(vs, v)
	}
	return vs, nil
}

func each(vs []kube.Version, f func(kube.Version) error) error {
	for _, v := range vs {
		if err := f(v); err != nil {
			return fmt.Errorf("%s: %w", v.Minor, err)
		}
	}
	return nil
}
