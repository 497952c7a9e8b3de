package scan

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// Formats are the names of those that Print knows.
var Formats = []string{"table", "json", "sarif", "markdown"}

// Print writes a report in a format.
func (r *Report) Print(w io.Writer, format string) error {
	switch format {
	case "table":
		return r.table(w)
	case "json":
		return indented(w, r)
	case "sarif":
		return indented(w, r.sarif())
	case "markdown":
		return r.markdown(w)
	}
	return fmt.Errorf("unknown format %q: there are %s", format, strings.Join(Formats, ", "))
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// summary is the last line for people.
func (r *Report) summary() string {
	removed := 0
	for _, f := range r.Findings {
		if f.Severity == Removed {
			removed++
		}
	}
	text := fmt.Sprintf("%d objects in %d files: Kubernetes %s does not serve %d of them, and %d are of APIs that end later.", r.Objects, r.Files, r.Target, removed, len(r.Findings)-removed)
	if r.LeftOut > 0 {
		text += fmt.Sprintf(" %d more findings and problems are left out.", r.LeftOut)
	}
	return text
}

func (r *Report) table(w io.Writer) error {
	if len(r.Findings) > 0 {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "SEVERITY\tWHERE\tOBJECT\tAPI\tREMOVED IN\tUSE INSTEAD")
		for _, f := range r.Findings {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Severity, f.where(), f.Object, f.Usage, f.RemovedIn, f.instead())
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.summary())
	return err
}

func (f *Finding) where() string { return where(f.Source, f.Line) }

func where(source string, line int) string {
	if line == 0 {
		return source
	}
	return fmt.Sprintf("%s:%d", source, line)
}

func (f *Finding) instead() string {
	switch {
	case f.Instead == "":
		return "-"
	case f.InsteadFrom == "":
		return f.Instead
	}
	return f.Instead + " (since " + f.InsteadFrom + ")"
}

func (r *Report) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## APIs that end, for Kubernetes %s\n\n", r.Target)
	cell := strings.NewReplacer("|", "\\|", "\n", " ", "`", "'")
	if len(r.Findings) > 0 {
		b.WriteString("| severity | where | object | API | removed in | use instead |\n|---|---|---|---|---|---|\n")
		for _, f := range r.Findings {
			fmt.Fprintf(&b, "| %s | `%s` | %s | `%s` | %s | %s |\n", f.Severity, cell.Replace(f.where()), cell.Replace(f.Object), f.Usage, f.RemovedIn, f.instead())
		}
		b.WriteString("\n")
	}
	if len(r.Problems) > 0 {
		b.WriteString("### What could not be scanned\n\n| where | problem |\n|---|---|\n")
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "| `%s` | %s |\n", cell.Replace(where(p.Source, p.Line)), cell.Replace(p.Text))
		}
		b.WriteString("\n")
	}
	b.WriteString(r.summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

type m = map[string]any

// sarif is the report as a log of SARIF 2.1.0.
func (r *Report) sarif() any {
	rules, seen, results := []m{}, map[string]bool{}, []m{}
	for _, f := range r.Findings {
		text := fmt.Sprintf("%s is of %s, which Kubernetes does not serve from %s on.", f.Object, f.Usage, f.RemovedIn)
		if f.Instead != "" {
			text += " Use " + f.instead() + "."
		}
		if !seen[f.Usage] {
			seen[f.Usage] = true
			rules = append(rules, m{"id": f.Usage, "shortDescription": m{"text": f.Usage + " is removed in Kubernetes " + f.RemovedIn}})
		}
		level := "warning"
		if f.Severity == Removed {
			level = "error"
		}
		place := location(f.Source, f.Line, f.Object, f.Live)
		results = append(results, m{"ruleId": f.Usage, "level": level, "message": m{"text": text}, "locations": []m{place}})
	}
	notes := []m{}
	for _, p := range r.Problems {
		notes = append(notes, m{"level": "error", "message": m{"text": p.Text}, "locations": []m{location(p.Source, p.Line, "", p.Live)}})
	}
	return m{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []m{{
			"tool":        m{"driver": m{"name": "minato insights scan", "rules": rules}},
			"invocations": []m{{"executionSuccessful": len(notes) == 0, "toolExecutionNotifications": notes}},
			"results":     results,
		}},
	}
}

// location is where a finding or a problem is, as SARIF says it: a place in a file, or the name of what is no file.
func location(source string, line int, object string, live bool) m {
	if live {
		return m{"logicalLocations": []m{{"fullyQualifiedName": strings.TrimSuffix(source+"/"+object, "/")}}}
	}
	uri := url.URL{Path: filepath.ToSlash(source)}
	return m{"physicalLocation": m{"artifactLocation": m{"uri": uri.String()}, "region": m{"startLine": max(line, 1)}}}
}
