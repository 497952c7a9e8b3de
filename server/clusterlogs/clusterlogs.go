// Package clusterlogs prints what the processes of a cluster, and Minato's own, have written.
//
// As on EKS, a cluster's log types are off until they are switched on (UpdateClusterConfig, logging); the files are written
// all the time, so that switching one on shows what was before, too.
package clusterlogs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"minato.dev/minato/cluster/controlplane"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/server/control"
)

// stream is one component's log: its EKS log type, and where it lies.
type stream struct {
	component string
	logType   string
	// files are glob patterns; the newest file of each is printed.
	pattern func(dir home.Dir, clusterID string) string
	// keep picks lines out of a file that several clusters share; nil keeps all.
	keep func(line []byte, clusterID string) bool
}

var streams = []stream{
	{component: "kube-apiserver", logType: "api", pattern: clusterFile("kube-apiserver.log")},
	{component: "audit", logType: "audit", pattern: clusterFile("audit.log")},
	{component: "authenticator", logType: "authenticator",
		pattern: func(dir home.Dir, _ string) string { return dir.Logs("hook.log") },
		keep:    func(line []byte, clusterID string) bool { return bytes.Contains(line, []byte(clusterID)) }},
	{component: "kube-controller-manager", logType: "controllerManager", pattern: clusterFile("kube-controller-manager.log")},
	{component: "kube-scheduler", logType: "scheduler", pattern: clusterFile("kube-scheduler.log")},
}

func clusterFile(pattern string) func(home.Dir, string) string {
	return func(dir home.Dir, clusterID string) string {
		return filepath.Join(controlplane.LogDir(dir, clusterID), pattern)
	}
}

// own are the logs of Minato's own processes.
var own = []string{"minato", "etcd", "hook", "gate"}

// Components are the names that Print takes, with the EKS log type of each.
func Components() []string {
	names := make([]string, len(streams))
	for i, s := range streams {
		names[i] = fmt.Sprintf("%-24s (log type %s)", s.component, s.logType)
	}
	return names
}

// Print writes a cluster's logs, or one component's (named by component or log type), or those of one of Minato's own
// processes, to w. With follow it goes on until ctx ends. cluster is a name or an id.
func Print(ctx context.Context, w io.Writer, dir home.Dir, cluster, component string, follow bool) error {
	if component == "" && slices.Contains(own, cluster) {
		return printFiles(ctx, w, []source{{path: dir.Logs(cluster + ".log")}}, follow)
	}
	c, err := find(ctx, dir, cluster)
	if err != nil {
		return err
	}
	wanted, err := selected(c, component)
	if err != nil {
		return err
	}
	var sources []source
	for _, s := range wanted {
		src := source{path: newest(s.pattern(dir, c.ID))}
		if src.path == "" {
			continue
		}
		if s.keep != nil {
			src.keep = func(line []byte) bool { return s.keep(line, c.ID) }
		}
		if len(wanted) > 1 {
			src.prefix = s.component + ": "
		}
		sources = append(sources, src)
	}
	return printFiles(ctx, w, sources, follow)
}

func find(ctx context.Context, dir home.Dir, cluster string) (control.Cluster, error) {
	st, err := control.GetStatus(ctx, dir)
	if err != nil {
		return control.Cluster{}, err
	}
	return pick(st.Clusters, cluster)
}

// pick is the cluster with this id, or the one with this name. Each account may have one of the name.
func pick(clusters []control.Cluster, wanted string) (control.Cluster, error) {
	var named []control.Cluster
	var names, ids []string
	for _, c := range clusters {
		if c.ID == wanted {
			return c, nil
		}
		if c.Name == wanted {
			named = append(named, c)
			ids = append(ids, fmt.Sprintf("%s of account %s", c.ID, c.Account))
		}
		names = append(names, c.Name)
	}
	switch len(named) {
	case 0:
		return control.Cluster{}, fmt.Errorf("no cluster %q; there are: %s; and Minato's own logs: %s", wanted, strings.Join(names, ", "), strings.Join(own, ", "))
	case 1:
		return named[0], nil
	}
	return control.Cluster{}, fmt.Errorf("%d clusters are named %q; give the id of one: %s", len(named), wanted, strings.Join(ids, ", "))
}

// selected are the streams to print: the one asked for, which must be switched on, or all that are on.
func selected(c control.Cluster, component string) ([]stream, error) {
	var on []stream
	for _, s := range streams {
		enabled := slices.Contains(c.LoggingTypes, s.logType)
		if component == s.component || component == s.logType {
			if !enabled {
				return nil, fmt.Errorf("log type %s of cluster %s is off; switch it on with\n  aws eks update-cluster-config --name %s --logging '{\"clusterLogging\":[{\"types\":[%q],\"enabled\":true}]}'",
					s.logType, c.Name, c.Name, s.logType)
			}
			return []stream{s}, nil
		}
		if enabled {
			on = append(on, s)
		}
	}
	if component != "" {
		return nil, fmt.Errorf("unknown component %q; there are:\n  %s", component, strings.Join(Components(), "\n  "))
	}
	if len(on) == 0 {
		return nil, fmt.Errorf("all log types of cluster %s are off; switch them on with\n  aws eks update-cluster-config --name %s --logging '{\"clusterLogging\":[{\"types\":[\"api\",\"audit\",\"authenticator\",\"controllerManager\",\"scheduler\"],\"enabled\":true}]}'", c.Name, c.Name)
	}
	return on, nil
}

func newest(pattern string) string {
	paths, _ := filepath.Glob(pattern)
	var best string
	var bestTime time.Time
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.ModTime().After(bestTime) {
			best, bestTime = p, info.ModTime()
		}
	}
	return best
}

// source is one file being printed.
type source struct {
	path   string
	prefix string
	keep   func(line []byte) bool
	offset int64
}

// followEvery is how often a followed file is looked at.
const followEvery = 200 * time.Millisecond

func printFiles(ctx context.Context, w io.Writer, sources []source, follow bool) error {
	for {
		for i := range sources {
			if err := sources[i].print(w); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// print writes the whole lines that were added since the last call. A file that has become shorter was rotated.
func (s *source) print(w io.Writer) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() < s.offset {
		s.offset = 0
	}
	if _, err := f.Seek(s.offset, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil { // the end, or a line that is not complete yet
			return nil
		}
		s.offset += int64(len(line))
		if s.keep != nil && !s.keep(line) {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s%s", s.prefix, line); err != nil {
			return err
		}
	}
}
