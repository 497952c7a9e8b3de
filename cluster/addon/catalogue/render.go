package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

// Object is a Kubernetes object.
type Object = map[string]any

// Install is what one installation of an add-on is made for.
type Install struct {
	// Server is the cluster's endpoint as its nodes reach it: "https://192.0.2.1:10443".
	Server string
	// API is where nodes reach the AWS APIs: "http://192.0.2.1:4566". Where that is https, APICA, base64 of PEM, signed the certificate.
	API, APICA string
	// ClusterName and Region are the cluster's.
	ClusterName, Region string
	// ServiceCIDR is the cluster's: DNS has its tenth address.
	ServiceCIDR string
	Namespace   string // empty for the add-on's own
	RoleARN     string // for its service account; empty for none
	// Values are configuration values that CheckValues has accepted; empty for none.
	Values string
}

// dnsHost is the place of the DNS Service in the service CIDR, as on EKS.
const dnsHost = 10

// Render is the objects of a version, in the order in which they are to be made.
func (a Addon) Render(v Version, in Install) ([]Object, error) {
	values, err := parseValues(in.Values)
	if err != nil {
		return nil, err
	}
	dns, err := hostOf(in.ServiceCIDR, dnsHost)
	if err != nil {
		return nil, err
	}
	data := struct {
		Install
		Values     map[string]any
		DNSAddress string
		Image      string
		Build      int
		NotOn      []string
	}{in, values, dns.String(), a.ImageOf(v), v.Build, a.NotOn}
	if data.Namespace == "" {
		data.Namespace = a.Namespace
	}
	var rendered bytes.Buffer
	if err := manifests.ExecuteTemplate(&rendered, a.Name+".yaml", data); err != nil {
		return nil, fmt.Errorf("rendering %s %s: %w", a.Name, v.Version, err)
	}
	var objects []Object
	if data.Namespace != a.Namespace {
		objects = append(objects, Object{"apiVersion": "v1", "kind": "Namespace", "metadata": Object{"name": data.Namespace}})
	}
	for text := range strings.SplitSeq(rendered.String(), "\n---\n") {
		var object Object
		if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
			return nil, fmt.Errorf("rendering %s %s: %w", a.Name, v.Version, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// hostOf is an address of a network, counted from its own.
func hostOf(cidr string, n int) (netip.Addr, error) {
	network, err := netip.ParsePrefix(cidr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the service CIDR: %w", err)
	}
	address := network.Masked().Addr()
	for range n {
		address = address.Next()
	}
	return address, nil
}

var manifests = template.Must(template.New("").Option("missingkey=zero").Funcs(template.FuncMap{
	// json writes any value so that YAML reads it, whatever a client has put into it.
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"lower": func(v any) string { return strings.ToLower(fmt.Sprint(v)) },
	"has": func(values map[string]any, name string) bool {
		return values[name] != nil
	},
	// merge adds labels that a selector needs to those that were asked for.
	"merge": func(asked any, own ...string) map[string]any {
		all := map[string]any{}
		if labels, ok := asked.(map[string]any); ok {
			for k, v := range labels {
				all[k] = v
			}
		}
		for i := 0; i < len(own); i += 2 {
			all[own[i]] = own[i+1]
		}
		return all
	},
}).ParseFS(files, "manifests/*.yaml"))
