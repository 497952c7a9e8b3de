package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"sigs.k8s.io/yaml"
)

// draft is the JSON Schema that the API's schemas are written in.
const draft = "http://json-schema.org/draft-06/schema#"

// schema is what a schemas/ADDON.json holds; the definitions are the same for all.
type schema struct {
	Schema      string          `json:"$schema"`
	Type        string          `json:"type"`
	Description string          `json:"description"`
	Additional  bool            `json:"additionalProperties"`
	Properties  json.RawMessage `json:"properties"`
	Definitions json.RawMessage `json:"definitions"`
}

// Schema is the JSON Schema of the add-on's configuration values.
func (a Addon) Schema() string { return schemas()[a.Name] }

var schemas = sync.OnceValue(func() map[string]string {
	definitions, err := files.ReadFile("schemas/definitions.json")
	all := map[string]string{}
	for _, a := range addons {
		s := schema{Schema: draft, Type: "object", Definitions: definitions}
		var b []byte
		if err == nil {
			b, err = files.ReadFile("schemas/" + a.Name + ".json")
		}
		if err == nil {
			err = json.Unmarshal(b, &s)
		}
		if err == nil {
			b, err = json.Marshal(s)
		}
		if err != nil {
			panic("catalogue: the schema of " + a.Name + ": " + err.Error())
		}
		all[a.Name] = string(b)
	}
	return all
})

// parseValues reads configuration values, JSON or YAML.
func parseValues(text string) (map[string]any, error) {
	values := map[string]any{}
	if strings.TrimSpace(text) == "" {
		return values, nil
	}
	if err := yaml.UnmarshalStrict([]byte(text), &values); err != nil {
		return nil, err
	}
	return values, nil
}

// CheckValues is what is wrong with configuration values, in the words of EKS; nil if nothing is.
func (a Addon) CheckValues(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var value any
	if err := yaml.UnmarshalStrict([]byte(text), &value); err != nil {
		return fmt.Errorf("it is neither JSON nor YAML: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(a.Schema()))
	if err == nil {
		err = compiler.AddResource(a.Name, document)
	}
	if err != nil {
		return err
	}
	compiled, err := compiler.Compile(a.Name)
	if err != nil {
		return err
	}
	err = compiled.Validate(value)
	if wrong, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return fmt.Errorf("Json schema validation failed with error: [%s]", strings.Join(findings(wrong), ", ")) //nolint:staticcheck // AWS's words
	}
	return err
}

// findings are the single findings of a validation, each with where it is.
func findings(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		return finding(path(e.InstanceLocation), e.ErrorKind)
	}
	var all []string
	for _, cause := range e.Causes {
		all = append(all, findings(cause)...)
	}
	slices.Sort(all)
	return all
}

func finding(at string, found jsonschema.ErrorKind) (all []string) {
	switch k := found.(type) {
	case *kind.AdditionalProperties:
		for _, p := range k.Properties {
			all = append(all, at+"."+p+": is not defined in the schema and the schema does not allow additional properties")
		}
		return all
	case *kind.Type:
		return []string{fmt.Sprintf("%s: %s found, %s expected", at, k.Got, strings.Join(k.Want, " or "))}
	case *kind.Enum:
		return []string{fmt.Sprintf("%s: does not have a value in the enumeration %v", at, k.Want)}
	case *kind.Minimum:
		return []string{fmt.Sprintf("%s: must have a minimum value of %s", at, k.Want.RatString())}
	case *kind.Maximum:
		return []string{fmt.Sprintf("%s: must have a maximum value of %s", at, k.Want.RatString())}
	case *kind.Pattern:
		return []string{fmt.Sprintf("%s: does not match the regex pattern %s", at, k.Want)}
	}
	return []string{at + ": " + found.LocalizedString(message.NewPrinter(language.English))}
}

// path is a place in the values, as EKS writes it: $.tolerations[0].key.
func path(location []string) string {
	at := "$"
	for _, part := range location {
		if strings.Trim(part, "0123456789") == "" {
			at += "[" + part + "]"
		} else {
			at += "." + part
		}
	}
	return at
}
