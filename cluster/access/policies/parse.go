package policies

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

const (
	suffix          = ".txt"
	unpublishedFile = "unpublished" + suffix
)

// The headings of the tables that a file may have.
var (
	resourceHeading    = []string{"groups", "resources", "verbs"}
	urlHeading         = []string{"nonResourceURLs", "verbs"}
	unpublishedHeading = []string{"policy", "what is published", "source"}
)

// file is what stands in one file.
type file struct {
	source   string
	includes []string
	tables   []table
}

// table is a heading with the rows under it.
type table struct {
	heading []string
	rows    [][]string
}

// load reads all policies of a folder, in the order of their names.
func load(folder fs.FS) ([]Policy, error) {
	names, err := fs.Glob(folder, "*"+suffix)
	if err != nil {
		return nil, err
	}
	l := loader{folder: folder, done: map[string]*Policy{}}
	for _, name := range names {
		if name == unpublishedFile {
			err = l.unpublished()
		} else {
			_, err = l.policy(strings.TrimSuffix(name, suffix), nil)
		}
		if err != nil {
			return nil, err
		}
	}
	var policies []Policy
	for _, p := range l.done {
		policies = append(policies, *p)
	}
	slices.SortFunc(policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return policies, nil
}

type loader struct {
	folder fs.FS
	done   map[string]*Policy
}

// policy reads a policy and those that it includes. path are the policies that lead here by including.
func (l loader) policy(name string, path []string) (*Policy, error) {
	if p, ok := l.done[name]; ok && p.unpublished == "" {
		return p, nil
	} else if ok {
		return nil, fmt.Errorf("%s has a file of its own and stands in %s too", name, unpublishedFile)
	}
	if slices.Contains(path, name) {
		return nil, fmt.Errorf("%s includes itself", name)
	}
	f, err := l.read(name+suffix, resourceHeading, urlHeading)
	if err != nil {
		return nil, err
	}
	if f.source == "" {
		return nil, fmt.Errorf("%s%s has no source", name, suffix)
	}
	var rows []Rule
	for _, include := range f.includes {
		included, err := l.policy(include, append(path, name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, included.rules.rows...)
	}
	own, err := f.rules()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	rows = append(rows, own...)
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s%s has no rules", name, suffix)
	}
	p := &Policy{Name: name, ARN: arn(name), Source: f.source, rules: newRuleSet(rows)}
	l.done[name] = p
	return p, nil
}

// unpublished reads the table of policies without published rules.
func (l loader) unpublished() error {
	f, err := l.read(unpublishedFile, unpublishedHeading)
	if err != nil {
		return err
	}
	for _, t := range f.tables {
		for _, row := range t.rows {
			name, what, source := row[0], row[1], row[2]
			if name == "" || what == "" || source == "" {
				return fmt.Errorf("%s: a cell of %q is empty", unpublishedFile, row)
			}
			if l.done[name] != nil {
				return fmt.Errorf("%s stands in %s twice, or has a file of its own", name, unpublishedFile)
			}
			l.done[name] = &Policy{Name: name, ARN: arn(name), Source: source, unpublished: what}
		}
	}
	return nil
}

// rule makes a rule of a row. Every cell is a list without a repetition.
func (t table) rule(row []string) (r Rule, err error) {
	cells := make([][]string, len(row))
	for i, cell := range row {
		if cells[i], err = list(cell); err != nil {
			return Rule{}, fmt.Errorf("%s %q: %w", t.heading[i], cell, err)
		}
	}
	if len(cells) == len(urlHeading) {
		return Rule{NonResourceURLs: cells[0], Verbs: cells[1]}, nil
	}
	return Rule{Groups: cells[0], Resources: cells[1], Verbs: cells[2]}, nil
}

// list reads a cell: names with commas between them, or "" for the core group, or * alone.
func list(cell string) ([]string, error) {
	if cell == `""` {
		return []string{""}, nil
	}
	items := strings.Split(cell, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
		switch {
		case items[i] == "" || strings.ContainsAny(items[i], " \t\""):
			return nil, fmt.Errorf("%q is not a name", items[i])
		case items[i] == all && len(items) > 1:
			return nil, fmt.Errorf("* stands beside others")
		case slices.Contains(items[:i], items[i]):
			return nil, fmt.Errorf("%q stands there twice", items[i])
		}
	}
	return items, nil
}

// read reads a file whose tables may have some headings.
func (l loader) read(name string, headings ...[]string) (file, error) {
	content, err := fs.ReadFile(l.folder, name)
	if err != nil {
		return file{}, err
	}
	return parse(name, content, headings...)
}

// parse reads the content of a file whose tables may have some headings. Errors begin with its name and the line.
func parse(name string, content []byte, headings ...[]string) (file, error) {
	var f file
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		if err := f.line(strings.TrimSpace(lines.Text()), headings); err != nil {
			return file{}, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	return f, lines.Err()
}

// rules are those of the file's own tables.
func (f *file) rules() (rows []Rule, err error) {
	for _, t := range f.tables {
		for _, row := range t.rows {
			rule, err := t.rule(row)
			if err != nil {
				return nil, err
			}
			rows = append(rows, rule)
		}
	}
	return rows, nil
}

// line reads one line: nothing, a comment, "source: …", "include: …", a heading, or a row of the last heading.
func (f *file) line(line string, headings [][]string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	if source, ok := strings.CutPrefix(line, "source: "); ok {
		if f.source != "" {
			return fmt.Errorf("there is a second source")
		}
		f.source = strings.TrimSpace(source)
		return nil
	}
	if include, ok := strings.CutPrefix(line, "include: "); ok {
		f.includes = append(f.includes, strings.TrimSpace(include))
		return nil
	}
	cells := strings.Split(line, "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if slices.ContainsFunc(headings, func(h []string) bool { return slices.Equal(h, cells) }) {
		f.tables = append(f.tables, table{heading: cells})
		return nil
	}
	if len(f.tables) == 0 {
		return fmt.Errorf("%q is not under a heading", line)
	}
	t := &f.tables[len(f.tables)-1]
	if len(cells) != len(t.heading) {
		return fmt.Errorf("want the %d cells %s, got %d", len(t.heading), strings.Join(t.heading, " | "), len(cells))
	}
	t.rows = append(t.rows, cells)
	return nil
}
