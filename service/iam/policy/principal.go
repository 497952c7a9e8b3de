package policy

import (
	"slices"
	"strings"

	"minato.dev/minato"
)

// Principal is who asks, as a policy's Principal element can name it. Exactly one of Account, Service and Federated is set.
type Principal struct {
	Account   string // of an IAM principal
	ARN       string // iam user ARN, iam root ARN, or sts assumed-role ARN with the session name
	RoleARN   string // iam role ARN of a role session; empty otherwise
	UniqueID  string // AIDA… or AROA…, without a session name
	Root      bool   // the account's root user: no identity policy limits it
	Service   string // an AWS service: "eks.amazonaws.com"
	Federated string // an identity provider: its ARN
}

// PrincipalOf is an authenticated principal as policies see it.
func PrincipalOf(p minato.Principal) Principal {
	return Principal{
		Account:  p.Account,
		ARN:      p.ARN.String(),
		RoleARN:  p.RoleARN.String(),
		UniqueID: p.UniqueID(),
		Root:     p.Type == minato.AccountRoot,
	}
}

// grant is how directly a Principal element names a principal. It decides which other policies still count.
type grant int

const (
	notNamed     grant = iota
	namesAccount       // the account is trusted: its own policies must allow too
	namesRole          // the role, or everybody: boundary and session policies still limit it
	namesCaller        // the user, the very session, the service: nothing else is asked for
)

// principals is a Principal or NotPrincipal element.
type principals struct {
	everybody bool
	aws       []awsPrincipal
	service   []string
	federated []string
}

// awsPrincipal is an entry under "AWS": an account, or an ARN. A unique id bound to the ARN makes it mean the user or role
// that had the ARN when the policy was written, and no later one of the same name.
type awsPrincipal struct {
	account  string
	arn      string
	uniqueID string
}

func (p *principals) grants(who Principal) grant {
	switch {
	case who.Service != "":
		return namedIf(p.everybody || slices.Contains(p.service, who.Service))
	case who.Federated != "":
		return namedIf(p.everybody || slices.Contains(p.federated, who.Federated))
	}
	best := notNamed
	for _, a := range p.aws {
		best = max(best, a.grants(who))
	}
	if p.everybody {
		best = max(best, namesRole)
	}
	return best
}

// facets is how many of a principal's identities are listed: its account, its role if it is a session, and itself.
func (p *principals) facets(who Principal) (listed, of int) {
	if who.Account == "" || p.everybody {
		if p.grants(who) != notNamed {
			return 1, 1
		}
		return 0, 1
	}
	faces := []Principal{{Account: who.Account}, {ARN: who.ARN, UniqueID: who.UniqueID}}
	if who.RoleARN != "" {
		faces = append(faces, Principal{RoleARN: who.RoleARN, UniqueID: who.UniqueID})
	}
	for _, face := range faces {
		for _, a := range p.aws {
			if a.grants(face) != notNamed {
				listed++
				break
			}
		}
	}
	return listed, len(faces)
}

func namedIf(named bool) grant {
	if named {
		return namesCaller
	}
	return notNamed
}

func (a awsPrincipal) grants(who Principal) grant {
	switch {
	case a.account != "":
		if a.account == who.Account {
			return namesAccount
		}
	case a.uniqueID != "" && a.uniqueID != who.UniqueID:
	case a.arn == "":
	case a.arn == who.ARN:
		return namesCaller
	case a.arn == who.RoleARN:
		return namesRole
	}
	return notNamed
}

// compilePrincipals reads "*" or {"AWS": …, "Service": …, "Federated": …}.
func compilePrincipals(n node, path string) (*principals, *Malformed) {
	p := &principals{}
	if n.kind == scalarNode && n.text == "*" {
		p.everybody = true
		return p, nil
	}
	if n.kind != objectNode || len(n.members) == 0 {
		return nil, malformed(path, `Invalid principal in policy: want "*" or an object such as {"AWS": "arn"}`)
	}
	for i, kind := range n.members {
		at := join(path, kind)
		values, m := stringsOf(n.items[i], at)
		if m != nil {
			return nil, m
		}
		for _, v := range values {
			if m := p.add(kind, v, at); m != nil {
				return nil, m
			}
		}
	}
	return p, nil
}

func (p *principals) add(kind, value, path string) *Malformed {
	switch kind {
	case "AWS":
		return p.addAWS(value, path)
	case "Service":
		if !strings.Contains(value, ".") || strings.ContainsAny(value, "*? ") {
			return malformed(path, "Invalid principal in policy: \"SERVICE\":%q: want a service such as eks.amazonaws.com", value)
		}
		p.service = append(p.service, value)
	case "Federated":
		if value == "" || strings.ContainsAny(value, "*? ") {
			return malformed(path, "Federated principals must be valid domain names or SAML metadata ARNs")
		}
		p.federated = append(p.federated, value)
	default: // CanonicalUser is S3's
		return malformed(path, "Invalid principal in policy: %q is not a kind of principal; want AWS, Service or Federated", kind)
	}
	return nil
}

func (p *principals) addAWS(value, path string) *Malformed {
	switch {
	case value == "*":
		p.everybody = true
		return nil
	case minato.ValidAccountID(value):
		p.aws = append(p.aws, awsPrincipal{account: value})
		return nil
	}
	arn, err := minato.ParseARN(value)
	switch {
	case err != nil, !minato.ValidAccountID(arn.Account), arn.Region != "", strings.ContainsAny(value, "*?"):
	case arn.Service == "iam" && arn.Resource == "root":
		p.aws = append(p.aws, awsPrincipal{account: arn.Account})
		return nil
	case arn.Service == "iam" && (arn.ResourceType() == "user" || arn.ResourceType() == "role") && arn.ResourceName() != "",
		arn.Service == "sts" && arn.ResourceType() == "assumed-role" && strings.Count(arn.Resource, "/") == 2:
		p.aws = append(p.aws, awsPrincipal{arn: value})
		return nil
	}
	return malformed(path, "Invalid principal in policy: \"AWS\":%q", value)
}
