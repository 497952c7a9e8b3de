package iam

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed awsmanaged/*.json
var awsManagedFiles embed.FS

// awsPolicies are AWS's own managed policies that this server knows, by ARN. The files hold what AWS publishes (AWS Managed
// Policy Reference Guide): documents, ids, dates and the number of the default version, as of April 2026. Earlier versions
// are not kept. Those that are "abridged" run through all services of AWS; kept is what they say of the services of this server.
// docs/divergences.md lists them all.
var awsPolicies = sync.OnceValue(func() map[string]*ManagedPolicy {
	policies := map[string]*ManagedPolicy{}
	names, err := fs.Glob(awsManagedFiles, "awsmanaged/*.json")
	for _, name := range names {
		var p *ManagedPolicy
		if p, err = readAWSPolicy(name); err != nil {
			break
		}
		policies[p.ARN().String()] = p
	}
	if err != nil {
		panic(fmt.Sprintf("iam: embedded AWS managed policy: %v", err)) // the build is broken; a test reads them all
	}
	return policies
})

func readAWSPolicy(file string) (*ManagedPolicy, error) {
	b, err := awsManagedFiles.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var data struct {
		Name, Path, ID   string
		Created, Updated time.Time
		Version          string
		Document         json.RawMessage
	}
	if err := json.Unmarshal(b, &data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var document bytes.Buffer
	if err := json.Indent(&document, data.Document, "", "    "); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &ManagedPolicy{
		Account: "aws", Path: data.Path, Name: data.Name, ID: data.ID, Created: data.Created, Updated: data.Updated,
		Default:  data.Version,
		Versions: []PolicyVersion{{ID: data.Version, Document: document.String(), Created: data.Updated}},
	}, nil
}

// awsManaged is AWS's own policy with an ARN, nil if there is none or we do not know it.
func awsManaged(arn string) *ManagedPolicy { return awsPolicies()[arn] }

// sortedAWSPolicies are all of them by name.
func sortedAWSPolicies() []*ManagedPolicy {
	var list []*ManagedPolicy
	for _, p := range awsPolicies() {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *ManagedPolicy) int { return strings.Compare(a.Name, b.Name) })
	return list
}
