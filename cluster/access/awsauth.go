package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"minato.dev/minato"
)

// AWSAuth is what the ConfigMap kube-system/aws-auth of a cluster says: who is who, in the clusters whose authentication mode
// has it. It is read by the rules of aws-iam-authenticator, as EKS does ("Amazon EKS User Guide", aws-auth ConfigMap):
//
//   - a row is found by the principal's ARN, whatever its case, which for a role is without its path; of several rows with the
//     same ARN the last counts;
//   - a row of mapRoles or mapUsers comes before the account's being in mapAccounts, whose principals are called by their ARN.
type AWSAuth struct {
	Roles    map[string]AWSAuthRow `json:"roles,omitempty"` // by the ARN in lower case, as are Users
	Users    map[string]AWSAuthRow `json:"users,omitempty"`
	Accounts []string              `json:"accounts,omitempty"`
}

// AWSAuthRow is a row of mapRoles or mapUsers.
type AWSAuthRow struct {
	RoleARN  string   `json:"rolearn"`
	UserARN  string   `json:"userarn"`
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// Keys of the ConfigMap.
const (
	mapRoles    = "mapRoles"
	mapUsers    = "mapUsers"
	mapAccounts = "mapAccounts"
)

const (
	// maxRowGroups bounds the groups of a row, each of which is looked at in each decision about its user. Nobody has so many.
	maxRowGroups = 1000
	// maxProblems is how many things that are wrong are told: a ConfigMap has room for hundreds of thousands.
	maxProblems = 20
)

// problems are what is wrong with a ConfigMap.
type problems struct {
	errs []error
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.errs) < maxProblems {
		p.errs = append(p.errs, fmt.Errorf(format, args...))
	} else {
		p.more++
	}
}

func (p *problems) err() error {
	if p.more > 0 {
		return errors.Join(append(p.errs, fmt.Errorf("and %d more", p.more))...)
	}
	return errors.Join(p.errs...)
}

// ParseAWSAuth reads the data of the ConfigMap. With an error, which names what is wrong and where, comes what could be read
// all the same.
func ParseAWSAuth(data map[string]string) (*AWSAuth, error) {
	a := &AWSAuth{}
	var errs problems
	a.Roles = parseRows(data[mapRoles], mapRoles, "rolearn", "role", func(r AWSAuthRow) string { return r.RoleARN }, &errs)
	a.Users = parseRows(data[mapUsers], mapUsers, "userarn", "user", func(r AWSAuthRow) string { return r.UserARN }, &errs)
	if err := yaml.Unmarshal([]byte(data[mapAccounts]), &a.Accounts); err != nil {
		errs.add("%s is not a list of account ids: %w", mapAccounts, err)
		a.Accounts = nil
	}
	for i, account := range a.Accounts {
		if !minato.ValidAccountID(account) {
			errs.add("%s: number %d is %.32q, want the 12 digits of an account id", mapAccounts, i+1, account)
		}
	}
	return a, errs.err()
}

// parseRows reads one list of rows and leaves out those that are wrong.
func parseRows(text, key, field, kind string, arnOf func(AWSAuthRow) string, errs *problems) map[string]AWSAuthRow {
	var rows []AWSAuthRow
	if err := yaml.Unmarshal([]byte(text), &rows); err != nil {
		errs.add("%s is not a list of rows with %s, username and groups: %w", key, field, err)
		return nil
	}
	byARN := make(map[string]AWSAuthRow, len(rows))
	for i, row := range rows {
		arn, err := minato.ParseARN(arnOf(row))
		switch {
		case err != nil || !strings.EqualFold(arn.Service, "iam") || !isRootOr(arn, kind):
			errs.add("%s: row %d has the %s %.128q, want an ARN such as arn:aws:iam::111122223333:%s/NAME", key, i+1, field, arnOf(row), kind)
		case slices.Contains(row.Groups, ""):
			errs.add("%s: row %d has an empty group", key, i+1)
		case len(row.Groups) > maxRowGroups:
			errs.add("%s: row %d has %d groups, want at most %d", key, i+1, len(row.Groups), maxRowGroups)
		default:
			byARN[strings.ToLower(arn.String())] = row
		}
	}
	return byARN
}

// isRootOr is whether an ARN is that of a role or a user, as its list wants it; a root counts as a user.
func isRootOr(arn minato.ARN, kind string) bool {
	return strings.EqualFold(arn.ResourceType(), kind) && arn.ResourceName() != "" || kind == "user" && arn.Resource == "root"
}

// Find is the row of a principal, and where it stands: mapRoles, mapUsers or mapAccounts. A principal that is only mapped by
// its account has an empty row.
func (a *AWSAuth) Find(p minato.Principal) (row AWSAuthRow, list string, ok bool) {
	arn := strings.ToLower(p.CanonicalARN().String())
	if row, ok = a.Roles[arn]; ok {
		return row, mapRoles, true
	}
	if row, ok = a.Users[arn]; ok {
		return row, mapUsers, true
	}
	return AWSAuthRow{}, mapAccounts, slices.Contains(a.Accounts, p.Account)
}

// mapping is who the principal of a row is.
func (row AWSAuthRow) mapping(p minato.Principal, name PrivateDNSName) Mapping {
	template := row.Username
	if template == "" {
		template = p.CanonicalARN().String()
	}
	username, refused := fill(template, p, name)
	if refused != "" {
		return Mapping{Refused: refused}
	}
	return Mapping{Username: username, Groups: row.Groups}
}

// Pathless is the row that was meant for a role and is never found, because it has the role's path.
func (a *AWSAuth) Pathless(p minato.Principal) (row AWSAuthRow, ok bool) {
	arn := strings.ToLower(p.IAMARN().String())
	if p.IAMARN() == p.CanonicalARN() {
		return AWSAuthRow{}, false
	}
	row, ok = a.Roles[arn]
	return row, ok
}
