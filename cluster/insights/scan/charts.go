package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"minato.dev/minato/kube"
)

const (
	// renderTimeout and maxRendered bound what a chart's templates may do.
	renderTimeout = 30 * time.Second
	maxRendered   = 64 << 20
	maxComplaint  = 2000
)

// archives are how the names of packed charts end.
var archives = []string{".tgz", ".tar.gz"}

func isArchive(path string) bool {
	return slices.ContainsFunc(archives, func(end string) bool { return strings.HasSuffix(path, end) })
}

// isChart is whether a folder is a Helm chart, whose templates are no manifests.
func isChart(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, "Chart.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// chart scans what a Helm chart, a folder or an archive, renders to with its own values.
func (s *Scanner) chart(path string) {
	if s.Charts == "" {
		s.problem(path, 0, fmt.Errorf("this is a Helm chart, and minato-charts, which renders them, is not built: run make charts, or helm template %s --kube-version %s | minato insights scan -", path, s.Report.Target))
		return
	}
	rendered, err := s.render(path)
	if err != nil {
		s.problem(path, 0, fmt.Errorf("the chart does not render: %w", err))
		return
	}
	for _, m := range rendered {
		findings, problems := len(s.Report.Findings), len(s.Report.Problems)
		s.Reader(filepath.Join(path, m.Name), strings.NewReader(m.Text))
		// The lines are those of what came of the template, which nobody sees.
		for i := range s.Report.Findings[findings:] {
			s.Report.Findings[findings+i].Line = 0
		}
		for i := range s.Report.Problems[problems:] {
			s.Report.Problems[problems+i].Line = 0
		}
	}
}

// rendered is what came of a template.
type rendered struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// render has a process of its own render a chart, for no longer and to no more than is bearable.
func (s *Scanner) render(path string) (list []rendered, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), renderTimeout)
	defer cancel()
	v, ok := kube.Lookup(s.Report.Target)
	if !ok {
		return nil, fmt.Errorf("unknown Kubernetes version %s", s.Report.Target)
	}
	cmd := exec.CommandContext(ctx, s.Charts, path, v.Patch)
	cmd.Env = []string{}
	complaint := &limited{left: maxComplaint}
	cmd.Stderr = complaint
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(stdout, maxRendered+1))
	tooMuch := len(out) > maxRendered
	if tooMuch {
		cancel()
	}
	switch waited := cmd.Wait(); {
	case tooMuch:
		return nil, fmt.Errorf("it comes to more than %d MiB", maxRendered>>20)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("it took more than %s", renderTimeout)
	case waited != nil && len(complaint.text) > 0:
		text, _, _ := strings.Cut(strings.TrimSpace(string(complaint.text)), "\n\n") // behind it, where memory ended
		return nil, errors.New(text)
	case waited != nil || err != nil:
		return nil, errors.Join(waited, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var one rendered
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
}

// limited keeps the beginning of what is written.
type limited struct {
	text []byte
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.text, l.left = append(l.text, p[:n]...), l.left-n
	return len(p), nil
}
