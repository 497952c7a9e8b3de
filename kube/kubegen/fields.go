package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato/kube"
)

// fields writes kube/fields.json: the fields of objects that a minor is the first to take without being asked, in every minor after the
// oldest. Kubernetes' types say which feature gate a field needs, and its table of gates from which minor on that is open.
func fields() error {
	byNumber := func(a, b kube.Version) int { return a.Number() - b.Number() }
	versions := slices.SortedFunc(slices.Values(kube.Versions()), byNumber)
	oldest := versions[0].Number()
	opens, filled, found := map[string]int{}, map[string]bool{}, map[string]kube.NewField{}
	var sources []string
	for _, v := range versions[1:] {
		dir, err := download("k8s.io/kubernetes", v.Patch)
		if err != nil {
			return err
		}
		if err := readGates(filepath.Join(dir, "pkg", "features"), opens); err != nil {
			return err
		}
		if err := readDefaults(filepath.Join(dir, "pkg", "apis"), filled); err != nil {
			return err
		}
		api := "v0" + strings.TrimPrefix(v.Patch, "v1")
		if dir, err = download("k8s.io/api", api); err != nil {
			return err
		}
		if err := readFields(dir, found); err != nil {
			return fmt.Errorf("k8s.io/api %s: %w", api, err)
		}
		sources = append(sources, "k8s.io/kubernetes "+v.Patch, "k8s.io/api "+api)
	}
	var list []kube.NewField
	for _, f := range found {
		name := f.GoName
		if n := opens[f.Gate]; n > oldest && !filled[name] {
			f.Introduced = fmt.Sprintf("1.%d", n)
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b kube.NewField) int {
		if d := minorOf(a.Introduced) - minorOf(b.Introduced); d != 0 {
			return d
		}
		return strings.Compare(a.ListPath()+" "+a.Path, b.ListPath()+" "+b.Path)
	})
	text, err := lines(list)
	if err != nil {
		return err
	}
	source := `"` + strings.Join(sources, `","`) + `"`
	return os.WriteFile(filepath.Join("kube", "fields.json"), fmt.Appendf(nil, "{\n \"sources\": [%s],\n \"fields\": [\n%s ]\n}\n", source, text), 0o644)
}

// parseAll parses the Go files in a folder that match.
func parseAll(pattern string) (files []*ast.File, err error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(filepath.Base(name), "generated") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// readGates adds the minor from which on each feature gate is open by default. What newer minors say counts.
func readGates(dir string, opens map[string]int) error {
	files, err := parseAll(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	found := 0
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Names[0].Name != "defaultVersionedKubernetesFeatureGates" || len(spec.Values) != 1 {
				return true
			}
			for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
				gate := e.(*ast.KeyValueExpr)
				key, ok := gate.Key.(*ast.Ident)
				if !ok { // another package's, which no field needs
					continue
				}
				found++
				delete(opens, key.Name)
				for _, at := range gate.Value.(*ast.CompositeLit).Elts {
					if minor, open := openFrom(at.(*ast.CompositeLit)); open && (opens[key.Name] == 0 || minor < opens[key.Name]) {
						opens[key.Name] = minor
					}
				}
			}
			return false
		})
	}
	if found == 0 {
		return fmt.Errorf("no table of feature gates in %s", dir)
	}
	return nil
}

// openFrom is what a row about a gate says: {Version: version.MustParse("1.34"), Default: true, …}.
func openFrom(row *ast.CompositeLit) (minor int, open bool) {
	for _, e := range row.Elts {
		member := e.(*ast.KeyValueExpr)
		switch member.Key.(*ast.Ident).Name {
		case "Version":
			if call, ok := member.Value.(*ast.CallExpr); ok {
				release, _ := strconv.Unquote(call.Args[0].(*ast.BasicLit).Value)
				minor = minorOf(release)
			}
		case "Default":
			value, ok := member.Value.(*ast.Ident)
			open = ok && value.Name == "true"
		}
	}
	return minor, open
}

// readDefaults adds the fields, by their names in Go, that kube-apiserver fills in where nobody has: that an object has one says nothing.
func readDefaults(dir string, filled map[string]bool) error {
	files, err := parseAll(filepath.Join(dir, "*", "*", "defaults.go"))
	if err != nil {
		return err
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok {
				for _, left := range a.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok {
						filled[s.Sel.Name] = true
					}
				}
			}
			return true
		})
	}
	return nil
}

// goType is a struct of k8s.io/api: a folder such as core/v1, and a name.
type goType struct{ dir, name string }

// goField is a field of one, as JSON has it.
type goField struct {
	name, json string
	gates      []string
	of         goType
	list       bool
}

type goTypes map[goType][]goField

var (
	stableDir = regexp.MustCompile(`^v[0-9]+$`)
	gateTag   = regexp.MustCompile(`\+featureGate=(\w+)`)
)

// readFields adds the fields that need a gate, of all objects in stable versions.
func readFields(dir string, found map[string]kube.NewField) error {
	types := goTypes{}
	dirs, err := filepath.Glob(filepath.Join(dir, "*", "v*"))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if !stableDir.MatchString(filepath.Base(d)) {
			continue
		}
		files, err := parseAll(filepath.Join(d, "*.go"))
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, d)
		if err != nil {
			return err
		}
		for _, f := range files {
			types.read(rel, f)
		}
	}
	for t, members := range types {
		_, listed := types[goType{t.dir, t.name + "List"}]
		if !listed || !slices.ContainsFunc(members, func(f goField) bool { return f.json == "metadata" }) {
			continue
		}
		group, err := groupOf(filepath.Join(dir, t.dir))
		if err != nil {
			return err
		}
		root := kube.NewField{Group: group, Version: filepath.Base(t.dir), Resource: plural(t.name)}
		types.walk(t, nil, root, found)
	}
	return nil
}

// read adds the structs of a file.
func (types goTypes) read(dir string, f *ast.File) {
	imports := map[string]string{}
	for _, i := range f.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if rest, ok := strings.CutPrefix(path, "k8s.io/api/"); ok {
			name := filepath.Base(rest)
			if i.Name != nil {
				name = i.Name.Name
			}
			imports[name] = rest
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		var members []goField
		for _, field := range s.Fields.List {
			if field.Tag == nil {
				continue
			}
			tag, _ := strconv.Unquote(field.Tag.Value)
			name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			member := goField{json: name}
			if len(field.Names) > 0 {
				member.name = field.Names[0].Name
			}
			for _, m := range gateTag.FindAllStringSubmatch(field.Doc.Text()+directives(field.Doc), -1) {
				member.gates = append(member.gates, m[1])
			}
			member.of, member.list = typeOf(dir, imports, field.Type)
			members = append(members, member)
		}
		types[goType{dir, spec.Name.Name}] = members
		return false
	})
}

// directives are the lines of a comment that Text leaves out.
func directives(doc *ast.CommentGroup) (text string) {
	if doc == nil {
		return ""
	}
	for _, c := range doc.List {
		text += c.Text + "\n"
	}
	return text
}

// typeOf is the struct that a field's type comes to, empty if it is none of k8s.io/api, and whether there may be many.
func typeOf(dir string, imports map[string]string, e ast.Expr) (t goType, list bool) {
	switch e := e.(type) {
	case *ast.Ident:
		return goType{dir, e.Name}, false
	case *ast.StarExpr:
		return typeOf(dir, imports, e.X)
	case *ast.ArrayType:
		t, _ = typeOf(dir, imports, e.Elt)
		return t, true
	case *ast.MapType:
		t, _ = typeOf(dir, imports, e.Value)
		return t, true
	case *ast.SelectorExpr:
		return goType{imports[e.X.(*ast.Ident).Name], e.Sel.Name}, false
	}
	return goType{}, false
}

// walk adds the fields below a type that need a gate. What is in status is written by Kubernetes.
func (types goTypes) walk(t goType, within []goType, at kube.NewField, found map[string]kube.NewField) {
	if slices.Contains(within, t) {
		return
	}
	for _, f := range types[t] {
		if f.json == "status" || len(within) == 0 && f.json == "metadata" {
			continue
		}
		next := at
		if f.json != "" {
			next.Path = strings.TrimPrefix(at.Path+"."+f.json, ".")
		}
		if f.list {
			next.Path += "[]"
		}
		if len(f.gates) > 0 {
			next.Gate, next.GoName = f.gates[0], f.name
			found[next.ListPath()+" "+next.Path] = next
			continue // what is in it comes with it
		}
		types.walk(f.of, append(slices.Clip(within), t), next, found)
	}
}
