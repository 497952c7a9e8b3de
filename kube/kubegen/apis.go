package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato/kube"
)

// oldestAPI is the first minor of k8s.io/api with lifecycle methods that the module proxy lists; types that end earlier are in it.
const oldestAPI = 20

// otherAPIs are the modules besides k8s.io/api that have types which kube-apiserver serves, with where they are.
var otherAPIs = map[string]string{
	"k8s.io/apiextensions-apiserver": "pkg/apis/apiextensions",
	"k8s.io/kube-aggregator":         "pkg/apis/apiregistration",
}

// apis writes kube/apis.json: what the lifecycle methods in every minor of k8s.io/api say about the types that are served.
func apis() error {
	byNumber := func(a, b kube.Version) int { return a.Number() - b.Number() }
	oldest, newest := slices.MinFunc(kube.Versions(), byNumber), slices.MaxFunc(kube.Versions(), byNumber)
	table := lifecycles{}
	var sources []string
	for minor := oldestAPI; minor <= newest.Number(); minor++ {
		version, err := newestPatch("k8s.io/api", minor)
		if err != nil {
			return err
		}
		dir, err := download("k8s.io/api", version)
		if err != nil {
			return err
		}
		if err := table.read(dir, minor); err != nil {
			return fmt.Errorf("k8s.io/api %s: %w", version, err)
		}
		sources = append(sources, "k8s.io/api "+version)
	}
	for _, module := range []string{"k8s.io/apiextensions-apiserver", "k8s.io/kube-aggregator"} {
		version := "v0" + strings.TrimPrefix(newest.Patch, "v1")
		dir, err := download(module, version)
		if err != nil {
			return err
		}
		if err := table.read(filepath.Join(dir, otherAPIs[module]), newest.Number()); err != nil {
			return fmt.Errorf("%s %s: %w", module, version, err)
		}
		sources = append(sources, module+" "+version)
	}
	return writeAPIs(sources, table.removed(newest.Number()), table.introduced(oldest.Number()))
}

func writeAPIs(sources []string, removed []kube.API, introduced []kube.NewAPI) error {
	source, err := json.Marshal(sources)
	if err != nil {
		return err
	}
	ends, err := lines(removed)
	if err != nil {
		return err
	}
	begins, err := lines(introduced)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("{\n \"sources\": %s,\n \"apis\": [\n%s ],\n \"new\": [\n%s ]\n}\n", source, ends, begins)
	return os.WriteFile(filepath.Join("kube", "apis.json"), []byte(text), 0o644)
}

// lines are the elements of a JSON array, a line each, so that a diff can be read.
func lines[T any](list []T) (string, error) {
	var b strings.Builder
	for i, a := range list {
		line, err := json.Marshal(a)
		if err != nil {
			return "", err
		}
		comma := ","
		if i == len(list)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "  %s%s\n", line, comma)
	}
	return b.String(), nil
}

// newestPatch is the newest release of a minor of a module.
func newestPatch(module string, minor int) (string, error) {
	out, err := goOutput("list", "-m", "-json=Versions", "-versions", module)
	if err != nil {
		return "", err
	}
	var list struct{ Versions []string }
	if err := json.Unmarshal(out, &list); err != nil {
		return "", err
	}
	best := -1
	for _, v := range list.Versions {
		if patch, ok := strings.CutPrefix(v, fmt.Sprintf("v0.%d.", minor)); ok {
			n, err := strconv.Atoi(patch)
			if err == nil && n > best { // a pre-release is no number
				best = n
			}
		}
	}
	if best < 0 {
		return "", fmt.Errorf("%s has no release of minor %d", module, minor)
	}
	return fmt.Sprintf("v0.%d.%d", minor, best), nil
}

// goOutput runs go away from any module and answers what it prints.
func goOutput(args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// download answers the folder of a module's source.
func download(module, version string) (string, error) {
	out, err := goOutput("mod", "download", "-json", module+"@"+version)
	if err != nil {
		return "", err
	}
	var m struct{ Dir string }
	err = json.Unmarshal(out, &m)
	return m.Dir, err
}

// lifecycle is what the methods of one type say.
type lifecycle struct {
	api      kube.API
	lastSeen int // the newest minor that has the type
}

// lifecycles are those of all types, by group/version/kind. Types of newer minors replace those of older ones.
type lifecycles map[string]*lifecycle

// read adds the types in a folder and those below it.
func (l lifecycles) read(dir string, minor int) error {
	var files []string
	for _, pattern := range []string{"*/zz_generated.prerelease-lifecycle.go", "*/*/zz_generated.prerelease-lifecycle.go", "*/*/lifecycle.go"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return fmt.Errorf("no lifecycle methods in %s", dir)
	}
	for _, file := range files {
		if err := l.readFile(file, minor); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func (l lifecycles) readFile(path string, minor int) error {
	version := filepath.Base(filepath.Dir(path))
	group, err := groupOf(filepath.Dir(path))
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv == nil {
			continue
		}
		kind := f.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
		if strings.HasSuffix(kind, "List") {
			continue
		}
		key := group + "/" + version + "/" + kind
		if !seen[key] {
			seen[key] = true
			l[key] = &lifecycle{api: kube.API{Group: group, Version: version, Kind: kind, Resource: plural(kind)}, lastSeen: minor}
		}
		if err := l[key].take(f); err != nil {
			return fmt.Errorf("%s.%s: %w", kind, f.Name.Name, err)
		}
	}
	return nil
}

// take reads the value that a method returns.
func (l *lifecycle) take(f *ast.FuncDecl) error {
	ret, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(f.Body.List) != 1 {
		return fmt.Errorf("is not one return statement")
	}
	release := func() string {
		if len(ret.Results) != 2 {
			return ""
		}
		return ret.Results[0].(*ast.BasicLit).Value + "." + ret.Results[1].(*ast.BasicLit).Value
	}
	switch f.Name.Name {
	case "APILifecycleIntroduced":
		l.api.Introduced = release()
	case "APILifecycleDeprecated":
		l.api.Deprecated = release()
	case "APILifecycleRemoved":
		l.api.Removed = release()
	case "APILifecycleReplacement":
		to := &kube.Replacement{}
		for _, e := range ret.Results[0].(*ast.CompositeLit).Elts {
			field := e.(*ast.KeyValueExpr)
			value, err := strconv.Unquote(field.Value.(*ast.BasicLit).Value)
			if err != nil {
				return err
			}
			switch field.Key.(*ast.Ident).Name {
			case "Group":
				to.Group = value
			case "Version":
				to.Version = value
			case "Kind":
				to.Kind = strings.TrimSuffix(value, "List") // networking.k8s.io/v1beta1 IngressClass says IngressClassList
			}
		}
		l.api.Replacement = to
	}
	return nil
}

// groupOf is the API group of the types in a folder: the constant GroupName of its register.go.
func groupOf(dir string) (string, error) {
	path := filepath.Join(dir, "register.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, spec := range d.Specs {
			if v := spec.(*ast.ValueSpec); v.Names[0].Name == "GroupName" {
				return strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			}
		}
	}
	return "", fmt.Errorf("%s has no constant GroupName", path)
}

// removed are the types that end, with what replaces them.
func (l lifecycles) removed(newest int) []kube.API {
	var list []kube.API
	for _, one := range l {
		a := one.api
		if a.Removed == "" || a.Group == "" {
			continue
		}
		// A type whose code is gone is served no longer, whatever its tags once promised.
		if gone := one.lastSeen + 1; one.lastSeen < newest && gone < minorOf(a.Removed) {
			a.Removed = fmt.Sprintf("1.%d", gone)
			if minorOf(a.Deprecated) > gone {
				a.Deprecated = a.Removed
			}
		}
		a.Replacement = l.replacement(a, a.Replacement)
		if a.Replacement != nil {
			a.Replacement.Resource = plural(a.Replacement.Kind)
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b kube.API) int {
		if d := minorOf(a.Removed) - minorOf(b.Removed); d != 0 {
			return d
		}
		return strings.Compare(a.Group+"/"+a.Version+"/"+a.Kind, b.Group+"/"+b.Version+"/"+b.Kind)
	})
	return list
}

// introduced are the types that came after a minor.
func (l lifecycles) introduced(oldest int) []kube.NewAPI {
	var list []kube.NewAPI
	for _, one := range l {
		if a := one.api; a.Group != "" && minorOf(a.Introduced) > oldest {
			list = append(list, kube.NewAPI{Group: a.Group, Version: a.Version, Kind: a.Kind, Resource: a.Resource, Introduced: a.Introduced})
		}
	}
	slices.SortFunc(list, func(a, b kube.NewAPI) int {
		if d := minorOf(a.Introduced) - minorOf(b.Introduced); d != 0 {
			return d
		}
		return strings.Compare(a.Group+"/"+a.Version+"/"+a.Kind, b.Group+"/"+b.Version+"/"+b.Kind)
	})
	return list
}

// replacement follows what replaces a type to what is not itself removed; where no method says, it is the same kind in the
// newest version of the group that stays longer.
func (l lifecycles) replacement(a kube.API, to *kube.Replacement) *kube.Replacement {
	for range len(l) {
		if to == nil {
			break
		}
		next, known := l[to.Group+"/"+to.Version+"/"+to.Kind]
		if !known || next.api.Removed == "" || next.api.Replacement == nil {
			break
		}
		to = next.api.Replacement
	}
	if to == nil || l.ends(to) {
		if best := l.longest(a); best != nil {
			to = best
		}
	}
	if to == nil {
		return nil
	}
	to = &kube.Replacement{Group: to.Group, Version: to.Version, Kind: to.Kind}
	if found, ok := l[to.Group+"/"+to.Version+"/"+to.Kind]; ok {
		to.Introduced = found.api.Introduced
	}
	return to
}

func (l lifecycles) ends(to *kube.Replacement) bool {
	found, ok := l[to.Group+"/"+to.Version+"/"+to.Kind]
	return ok && found.api.Removed != ""
}

// longest is the same kind in the same group that stays, or stays longest.
func (l lifecycles) longest(a kube.API) *kube.Replacement {
	var best *kube.API
	stays := func(b *kube.API) int {
		if b.Removed == "" {
			return 1 << 20
		}
		return minorOf(b.Removed)
	}
	for _, one := range l {
		b := &one.api
		if b.Group != a.Group || b.Kind != a.Kind || stays(b) <= minorOf(a.Removed) || one.lastSeen < minorOf(a.Removed)-1 {
			continue
		}
		if best == nil || stays(b) > stays(best) || stays(b) == stays(best) && b.Version < best.Version {
			best = b
		}
	}
	if best == nil {
		return nil
	}
	return &kube.Replacement{Group: best.Group, Version: best.Version, Kind: best.Kind}
}

func minorOf(release string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(release, "1."))
	return n
}

// plural is what kube-apiserver calls the resource of a kind, by the rule that its own types follow.
func plural(kind string) string {
	s := strings.ToLower(kind)
	switch {
	case strings.HasSuffix(s, "endpoints"):
		return s
	case strings.HasSuffix(s, "s"), strings.HasSuffix(s, "x"):
		return s + "es"
	case strings.HasSuffix(s, "y"):
		return strings.TrimSuffix(s, "y") + "ies"
	}
	return s + "s"
}
