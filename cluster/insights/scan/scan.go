// Package scan finds APIs that end in manifests, before they reach a cluster. Its rules are those of the insights of clusters: the table in
// package kube.
package scan

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"minato.dev/minato/kube"
)

const (
	// maxDocument is the longest document of a file that is read.
	maxDocument = 16 << 20
	// maxFindings is how many findings a report has, and how many problems.
	maxFindings = 10_000
	// maxName is how much of a name a finding shows, which is all of one that Kubernetes takes.
	maxName = 253
	// maxProblem is how much of the text of a problem is shown.
	maxProblem = 500
)

// Severity is how bad a finding is.
type Severity string

// The target does not serve it; the target serves it, and a later minor does not.
const (
	Removed    Severity = "removed"
	Deprecated Severity = "deprecated"
)

// Finding is an object under a version that ends.
type Finding struct {
	Source    string   `json:"source"`         // a file, - for standard input, or what else the object is from
	Line      int      `json:"line,omitempty"` // of its document's beginning
	Severity  Severity `json:"severity"`
	Object    string   `json:"object"`    // "FlowSchema prod/name"
	Usage     string   `json:"usage"`     // /apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas
	RemovedIn string   `json:"removedIn"` // "1.32"
	Instead   string   `json:"replacedWith,omitempty"`
	// InsteadFrom is the minor that serves the replacement first, empty where it has been there forever.
	InsteadFrom string `json:"startServingReplacementVersion,omitempty"`
	// Live is whether it was found in a cluster, so that Source is no file.
	Live bool `json:"live,omitempty"`
}

// Problem is what could not be read.
type Problem struct {
	Source string `json:"source"`
	Line   int    `json:"line,omitempty"`
	Text   string `json:"problem"`
	// Live is whether it is in a cluster, so that Source is no file.
	Live bool `json:"live,omitempty"`
}

func (p Problem) String() string { return where(p.Source, p.Line) + ": " + p.Text }

// Report is what a scan found.
type Report struct {
	Target   string    `json:"target"`
	Files    int       `json:"files"`
	Objects  int       `json:"objects"`
	Findings []Finding `json:"findings"`
	Problems []Problem `json:"problems"`
	// LeftOut is how many findings and problems there are beyond those.
	LeftOut int `json:"leftOut,omitempty"`
}

// Scanner scans for a target, a minor that what is scanned is to run on. Make it with New.
type Scanner struct {
	// Charts is the program that renders Helm charts; empty where there is none.
	Charts string
	Report Report

	target int
	most   int // bytes of a document
	live   bool
}

// New makes a Scanner for a minor: "1.36".
func New(target string) (*Scanner, error) {
	v, ok := kube.Lookup(target)
	if !ok {
		var known []string
		for _, v := range kube.Versions() {
			known = append(known, v.Minor)
		}
		return nil, fmt.Errorf("unknown Kubernetes version %q: there are %s", target, strings.Join(known, ", "))
	}
	return &Scanner{target: v.Number(), most: maxDocument, Report: Report{Target: v.Minor, Findings: []Finding{}, Problems: []Problem{}}}, nil
}

// Reader scans a stream of YAML or JSON documents.
func (s *Scanner) Reader(source string, r io.Reader) {
	s.Report.Files++
	lines := bufio.NewReaderSize(r, 64<<10)
	var doc []byte
	begin, n, skipping, within := 1, 0, false, false
	flush := func() {
		if !skipping {
			s.document(source, begin, doc)
		}
		doc, skipping, begin = doc[:0], false, n+1
	}
	for {
		line, err := lines.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull) // a part of a long line
		if err == nil || full || len(line) > 0 {
			if !full {
				n++
			}
			if !within && separator(line) {
				flush()
				line = line[3:]
			}
			within = full
			if len(doc)+len(line) > s.most && !skipping {
				skipping = true
				s.problem(source, begin, fmt.Errorf("the document is longer than %d MiB, and is left out", s.most>>20))
			}
			if !skipping {
				doc = append(doc, line...)
			}
		}
		if err != nil && !full {
			flush()
			if !errors.Is(err, io.EOF) {
				s.problem(source, n, err)
			}
			return
		}
	}
}

// separator is whether a line begins a document.
func separator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

func (s *Scanner) problem(source string, line int, err error) {
	if len(s.Report.Problems) >= maxFindings {
		s.Report.LeftOut++
		return
	}
	text := fmt.Sprintf("%.*s", maxProblem, strings.ReplaceAll(err.Error(), "\n", " "))
	s.Report.Problems = append(s.Report.Problems, Problem{Source: source, Line: line, Text: text, Live: s.live})
}

// document scans one document. Most are told by two of their lines to be of APIs that stay, and are not decoded.
func (s *Scanner) document(source string, line int, doc []byte) {
	version, kind, plain := head(doc)
	if plain {
		if group, v := splitVersion(version); !strings.HasSuffix(kind, "List") && kube.FindKind(group, v, kind) == nil {
			s.Report.Objects++
			return
		}
	} else if len(bytes.TrimSpace(doc)) == 0 {
		return
	}
	if objects, err := jsonObjects(doc); err == nil || len(objects) > 0 {
		s.objects(source, line, objects)
		if err != nil {
			s.problem(source, line, err)
		}
		return
	}
	o, err := decode(doc)
	if err != nil {
		if bytes.Contains(doc, []byte("{{")) {
			err = errors.New("this is a template and not a manifest: scan the folder of its chart, or what it is rendered to")
		}
		s.problem(source, line, err)
		return
	}
	s.object(source, line, &o, 0)
}

// located is an object with the number of lines before it in its document.
type located struct {
	object manifest
	lines  int
}

func (s *Scanner) objects(source string, line int, objects []located) {
	for i := range objects {
		s.object(source, line+objects[i].lines, &objects[i].object, 0)
	}
}

var errNotJSON = errors.New("the document is not JSON")

// jsonObjects reads a document that is JSON: one value, or one after the other as many tools write them, with comments behind. With an
// error they are those before it, which YAML would take for all there is. Values that are no objects of Kubernetes are empty.
func jsonObjects(doc []byte) (objects []located, err error) {
	if text := bytes.TrimSpace(doc); len(text) == 0 || text[0] != '{' {
		return nil, errNotJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(doc))
	for {
		behind := doc[decoder.InputOffset():]
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) || err != nil && len(objects) > 0 && comments(behind) {
			return objects, nil
		}
		if err != nil {
			return objects, err
		}
		one := located{lines: bytes.Count(doc[:int(decoder.InputOffset())-len(value)], []byte{'\n'})}
		if isObject(value) {
			if err := json.Unmarshal(value, &one.object); err != nil {
				return objects, err
			}
		}
		objects = append(objects, one)
	}
}

// comments is whether all lines are comments of YAML, or empty.
func comments(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// decode reads a document. What is no object of Kubernetes is empty: folders of manifests hold patches, values and settings of tools, too.
func decode(doc []byte) (o manifest, err error) {
	text, err := yaml.YAMLToJSON(doc)
	if err != nil || !isObject(text) {
		return manifest{}, err
	}
	err = json.Unmarshal(text, &o)
	return o, err
}

// isObject is whether JSON says what it is, as every object of Kubernetes does.
func isObject(text []byte) bool {
	var o struct{ APIVersion, Kind string }
	return json.Unmarshal(text, &o) == nil && o.APIVersion != "" && o.Kind != ""
}

// manifest is what is read of an object.
type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Items []manifest `json:"items"`
}

// maxNesting is how deep lists may lie in lists.
const maxNesting = 5

func (s *Scanner) object(source string, line int, o *manifest, depth int) {
	if strings.HasSuffix(o.Kind, "List") && depth < maxNesting {
		for i := range o.Items {
			item := &o.Items[i]
			if item.Kind == "" && o.Kind != "List" { // the list says it for all of them
				item.APIVersion, item.Kind = o.APIVersion, strings.TrimSuffix(o.Kind, "List")
			}
			s.object(source, line, item, depth+1)
		}
		if len(o.Items) > 0 {
			return
		}
	}
	if o.APIVersion == "" || o.Kind == "" {
		return
	}
	s.Report.Objects++
	s.Object(source, line, o.APIVersion, o.Kind, o.Metadata.Namespace, o.Metadata.Name)
}

// Object judges one object.
func (s *Scanner) Object(source string, line int, apiVersion, kind, namespace, name string) {
	group, version := splitVersion(apiVersion)
	a := kube.FindKind(group, version, kind)
	if a == nil {
		return
	}
	named := strings.TrimPrefix(fmt.Sprintf("%.*s/%.*s", maxName, namespace, maxName, name), "/")
	f := Finding{Source: source, Line: line, Live: s.live, Usage: a.Path(), RemovedIn: a.Removed, Object: strings.TrimSpace(kind + " " + named)}
	switch {
	case a.RemovedIn() <= s.target:
		f.Severity = Removed
	case a.DeprecatedIn() <= s.target:
		f.Severity = Deprecated
	default:
		return
	}
	if a.Replacement != nil {
		f.Instead, f.InsteadFrom = a.Replacement.Path(), a.Replacement.Introduced
	}
	if len(s.Report.Findings) >= maxFindings {
		s.Report.LeftOut++
		return
	}
	s.Report.Findings = append(s.Report.Findings, f)
}

// Sort puts what is worst first.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return strings.Compare(string(b.Severity), string(a.Severity)) })
}

// head reads apiVersion and kind from the lines of a document, if they are plain scalars at its top.
func head(doc []byte) (version, kind string, ok bool) {
	for len(doc) > 0 {
		var line []byte
		line, doc, _ = bytes.Cut(doc, []byte{'\n'})
		if len(line) == 0 || line[0] == ' ' || line[0] == '#' {
			continue
		}
		if rest, is := bytes.CutPrefix(line, []byte("apiVersion:")); is {
			if version != "" || !scalar(rest, &version) {
				return "", "", false
			}
		} else if rest, is := bytes.CutPrefix(line, []byte("kind:")); is {
			if kind != "" || !scalar(rest, &kind) {
				return "", "", false
			}
		} else if c := line[0]; !letter(c) && !strings.ContainsRune("-\r}]", rune(c)) {
			return "", "", false // JSON, quotes, anchors, directives
		}
		if version != "" && kind != "" {
			return version, kind, true
		}
	}
	return "", "", false
}

// scalar reads the rest of a line as a plain word, or one in quotes.
func scalar(rest []byte, into *string) bool {
	if i := bytes.Index(rest, []byte(" #")); i >= 0 {
		rest = rest[:i]
	}
	word := bytes.TrimSpace(rest)
	if n := len(word); n >= 2 && (word[0] == '"' || word[0] == '\'') && word[n-1] == word[0] {
		word = word[1 : n-1]
	}
	for _, c := range word {
		if !letter(c) && !strings.ContainsRune("0123456789./-", rune(c)) {
			return false
		}
	}
	*into = string(word)
	return len(word) > 0
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func splitVersion(apiVersion string) (group, version string) {
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return "", group
	}
	return group, version
}
