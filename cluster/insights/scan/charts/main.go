// Command minato-charts renders a Helm chart with its own values, as an installation would, and writes what came of each template as a
// line of JSON. It is a program and a module of its own: Helm brings the whole of client-go, which no other part of Minato needs, and
// templates of strangers are run where they can be stopped.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"helm.sh/helm/v4/pkg/chart/common"
	values "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

// maxMemory is the address space that rendering may take: a template can ask for any amount.
const maxMemory = 4 << 30

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: minato-charts CHART KUBERNETES-VERSION")
		os.Exit(2)
	}
	err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: maxMemory, Max: maxMemory})
	if err == nil {
		err = run(os.Args[1], os.Args[2], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// manifest is what came of a template, or a file of crds/.
type manifest struct {
	Name string `json:"name"` // below the chart's folder
	Text string `json:"text"`
}

func run(source, version string, out io.Writer) error {
	c, err := loader.Load(source)
	if err != nil {
		return err
	}
	if err := complete(c); err != nil {
		return err
	}
	if err := util.ProcessDependencies(c, common.Values{}); err != nil {
		return err
	}
	rendered, err := render(c, version)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	for _, m := range rendered {
		if err := encoder.Encode(m); err != nil {
			return err
		}
	}
	return nil
}

// complete is whether the charts that a chart depends on are there.
func complete(c *chart.Chart) error {
	var missing []string
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(sub *chart.Chart) bool { return sub.Name() == d.Name }) {
			missing = append(missing, d.Name)
		}
	}
	if missing != nil {
		return fmt.Errorf("charts/ lacks %s: run helm dependency build first", strings.Join(missing, ", "))
	}
	return nil
}

func render(c *chart.Chart, version string) (list []manifest, err error) {
	if c.Metadata.Type == "library" {
		return nil, nil
	}
	kubeVersion, err := common.ParseKubeVersion(version)
	if err != nil {
		return nil, err
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *kubeVersion
	release := common.ReleaseOptions{Name: "release-name", Namespace: "default", Revision: 1, IsInstall: true}
	v, err := values.ToRenderValues(c, map[string]any{}, release, capabilities)
	if err != nil {
		return nil, err
	}
	rendered, err := engine.Render(c, v)
	if err != nil {
		return nil, err
	}
	for _, crd := range c.CRDObjects() {
		list = append(list, manifest{crd.Name, string(crd.File.Data)})
	}
	for _, name := range slices.SortedFunc(maps.Keys(rendered), cmp.Compare) {
		base := path.Base(name)
		if strings.HasPrefix(base, "_") || base == "NOTES.txt" {
			continue
		}
		below, ok := strings.CutPrefix(name, c.Name()+"/")
		if !ok {
			return nil, errors.New("a template is named " + name)
		}
		list = append(list, manifest{below, rendered[name]})
	}
	return list, nil
}
