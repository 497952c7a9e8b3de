package policy

// Request is one question: may this principal do this to that?
type Request struct {
	Principal Principal
	Action    string // "eks:CreateCluster"
	Resource  string // an ARN, or "*" for actions on no particular resource
	// Context are the condition keys of the request. The names are in lower case: "aws:sourceip".
	Context map[string][]string
}

// applies is whether a statement is about the request, and how directly its Principal names the caller (namesCaller where
// the policy has no Principal). Where a variable of NotResource has no value, the statement denies and does not allow.
func (s *statement) applies(r *Request) (grant, bool) {
	if s.actionListed(r) == s.notActions || !s.resourceApplies(r) {
		return notNamed, false
	}
	named := namesCaller
	if s.principals != nil {
		named = s.names(r.Principal)
		if named == notNamed {
			return notNamed, false
		}
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(r, s.effect) {
			return notNamed, false
		}
	}
	return named, true
}

// names is how directly the statement's Principal or NotPrincipal means the principal. To be spared by a Deny with
// NotPrincipal a caller must be listed whole: its account, its role and itself (IAM User Guide, "NotPrincipal").
func (s *statement) names(who Principal) grant {
	if !s.notPrincipals {
		return s.principals.grants(who)
	}
	listed, of := s.principals.facets(who)
	if listed == 0 || (s.effect == Deny && listed < of) {
		return namesRole
	}
	return notNamed
}

func (s *statement) actionListed(r *Request) bool {
	for _, a := range s.actions {
		if a.match(r.Action, r) == yes {
			return true
		}
	}
	return false
}

func (s *statement) resourceApplies(r *Request) bool {
	if s.resources == nil {
		return true
	}
	unknown := false
	for _, a := range s.resources {
		switch a.match(r.Resource, r) {
		case yes:
			return !s.notResources
		case unresolved:
			unknown = true
		}
	}
	if s.notResources && unknown {
		return s.effect == Deny
	}
	return s.notResources
}
