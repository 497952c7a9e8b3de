package eks

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"minato.dev/minato"
)

// Limits where AWS publishes none (docs/divergences.md).
const (
	maxEntries       = 5000 // of a cluster
	maxEntryGroups   = 100
	maxEntryPolicies = 100
	maxNamespaces    = 100
	maxKubernetes    = 512  // characters of a username or group
	maxPrincipal     = 1024 // bytes of an ARN; IAM's longest has some 700
)

// parsePrincipal reads the ARN of an IAM user or role. Who shows a session's ARN, or that of a role which belongs to a service
// of AWS, is told what to give instead.
func parsePrincipal(principal string) (minato.ARN, error) {
	malformed := func(format string, args ...any) (minato.ARN, error) {
		return minato.ARN{}, minato.Errorf(minato.Invalid, "The principalArn parameter format is not valid. "+format, args...)
	}
	arn, err := minato.ParseARN(principal)
	form := "Want arn:aws:iam::ACCOUNT:role/NAME or arn:aws:iam::ACCOUNT:user/NAME, not %q"
	switch {
	case err != nil || len(principal) > maxPrincipal || arn.Partition != minato.Partition:
		return malformed(form, shorten(principal))
	case arn.Service == "sts" && arn.ResourceType() == "assumed-role":
		role, _, _ := strings.Cut(arn.ResourceID(), "/")
		return malformed("%q is the ARN of a session; want that of its role, such as arn:aws:iam::%s:role/%s", shorten(principal), arn.Account, shorten(role))
	case arn.Service != "iam" || arn.Region != "" || !minato.ValidAccountID(arn.Account):
		return malformed(form, shorten(principal))
	case arn.ResourceType() != "role" && arn.ResourceType() != "user", arn.ResourceName() == "":
		return malformed(form, shorten(principal))
	case strings.HasPrefix(arn.Resource, "role/aws-service-role/"):
		return minato.ARN{}, minato.Errorf(minato.Invalid, "The caller is not allowed to modify access entries with a principalArn value of a Service Linked Role")
	}
	return arn, nil
}

// reservedPrefixes are what the username of a STANDARD entry may not begin with.
var reservedPrefixes = []string{"system:", "eks:", "aws:", "amazon:", "iam:"}

// template is a word that stands for something of the principal; and the ones there are.
var (
	template  = regexp.MustCompile(`\{\{[^{}]*\}\}`)
	templates = []string{"{{SessionName}}", "{{SessionNameRaw}}", "{{AccountID}}", "{{AccessKeyID}}", "{{EC2PrivateDNSName}}"}
)

// checkUsername checks the username of a STANDARD entry. A session's name is for whoever assumes the role to choose, so it
// must not be able to become any name at all: a colon has to come before it, which no session name has.
func checkUsername(username string) error {
	if err := checkKubernetesName("username", username); err != nil {
		return err
	}
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(username, prefix) {
			return minato.Errorf(minato.Invalid, "The username must not begin with %s", prefix)
		}
	}
	for _, at := range template.FindAllStringIndex(username, -1) {
		word := username[at[0]:at[1]]
		if !slices.Contains(templates, word) {
			return minato.Errorf(minato.Invalid, "The username has %q, which stands for nothing: want one of %s", shorten(word), strings.Join(templates, ", "))
		}
		if strings.HasPrefix(word, "{{SessionName") && !strings.Contains(username[:at[0]], ":") {
			return minato.Errorf(minato.Invalid, "The username %q is not valid: %s must have a colon somewhere before it, as in \"sessions:%[2]s\"", shorten(username), word)
		}
	}
	return nil
}

// checkGroups checks the groups of a STANDARD entry. Whether anything is bound to them is for the cluster's owner to see to.
func checkGroups(groups []string) error {
	if len(groups) > maxEntryGroups {
		return minato.Errorf(minato.Invalid, "An access entry can have at most %d Kubernetes groups, these are %d", maxEntryGroups, len(groups))
	}
	for i, group := range groups {
		if err := checkKubernetesName("kubernetes group name", group); err != nil {
			return err
		}
		if strings.HasPrefix(group, "system:") {
			return minato.Errorf(minato.Invalid, "The kubernetes group name %s is invalid, it cannot start with system:", shorten(group))
		}
		if slices.Contains(groups[:i], group) {
			return minato.Errorf(minato.Invalid, "The kubernetes group name %s is given twice", shorten(group))
		}
	}
	return nil
}

func checkKubernetesName(what, name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n < 1 || n > maxKubernetes:
		return minato.Errorf(minato.Invalid, "The %s must have 1 to %d characters, %q has %d", what, maxKubernetes, shorten(name), n)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return minato.Errorf(minato.Invalid, "The %s %q has characters that cannot be written", what, shorten(name))
	}
	return nil
}

// Types of access scopes.
const (
	clusterScope   = "cluster"
	namespaceScope = "namespace"
)

// namespacePattern is a namespace's name (RFC 1123) in which * may stand for any characters.
var namespacePattern = regexp.MustCompile(`^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$`)

// checkAccessScope checks where a policy is to hold. Namespaces need not exist.
func checkAccessScope(kind string, namespaces []string) error {
	switch kind {
	case clusterScope:
		if len(namespaces) > 0 {
			return minato.Errorf(minato.Invalid, "The access scope type cluster holds in every namespace: leave namespaces out, or use the type namespace")
		}
		return nil
	case namespaceScope:
	default:
		return minato.Errorf(minato.Invalid, "The access scope type %q is not valid: want cluster or namespace", shorten(kind))
	}
	if n := len(namespaces); n < 1 || n > maxNamespaces {
		return minato.Errorf(minato.Invalid, "The access scope type namespace must name 1 to %d namespaces, this one names %d", maxNamespaces, n)
	}
	for i, namespace := range namespaces {
		if !namespacePattern.MatchString(namespace) || strings.Contains(namespace, "**") {
			return minato.Errorf(minato.Invalid, "The namespace %q is not valid: want up to 63 lower case letters, digits and hyphens, where * stands for any characters", shorten(namespace))
		}
		if slices.Contains(namespaces[:i], namespace) {
			return minato.Errorf(minato.Invalid, "The namespace %q is given twice", namespace)
		}
	}
	return nil
}
