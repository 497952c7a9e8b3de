package iam

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

// Longest names, of the IAM API's model.
const (
	maxUserName    = 64
	maxRoleName    = 64
	maxLongName    = 128 // of groups, policies and instance profiles
	maxPath        = 512
	maxDescription = 1000
	maxTags        = 50
)

var (
	nameForm       = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]+$`)
	pathForm       = regexp.MustCompile(`^/([\x21-\x7E]+/)?$`)
	policyPathForm = regexp.MustCompile(`^((/[A-Za-z0-9.,+@=_-]+)*)/$`)
	prefixForm     = regexp.MustCompile(`^/[\x21-\x7F]*$`)
	tagForm        = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// Missing is the error for a required parameter that was not sent.
func Missing(parameter string) error {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", parameter)
}

func checkLength(parameter, value string, longest int) error {
	if value == "" {
		return Missing(parameter)
	}
	if n := utf8.RuneCountInString(value); n > longest {
		return invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d, it has %d", parameter, longest, n)
	}
	return nil
}

func checkName(parameter, value string, longest int) error {
	if err := checkLength(parameter, value, longest); err != nil {
		return err
	}
	if !nameForm.MatchString(value) {
		return invalid("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: "+
			"+=,.@_-", parameter)
	}
	return nil
}

// checkPath is the path to use: "/" if none was given.
func checkPath(path string, form *regexp.Regexp) (string, error) {
	if path == "" {
		return "/", nil
	}
	if len(path) > maxPath || !form.MatchString(path) {
		return "", invalid("The specified value for path is invalid. It must begin and end with / and contain only "+
			"alphanumeric characters and/or / characters: %q", path)
	}
	return path, nil
}

func checkDescription(s string) error {
	if utf8.RuneCountInString(s) > maxDescription {
		return invalid("1 validation error detected: Value at 'description' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxDescription)
	}
	for _, r := range s {
		if r > 0xFF || (unicode.IsControl(r) && !strings.ContainsRune("\t\n\r", r)) {
			return invalid("1 validation error detected: Value at 'description' failed to satisfy constraint: "+
				`Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*; it has %q`, r)
		}
	}
	return nil
}

// CheckTags says what is wrong with a set of tags: IAM's constraints, which are those of STS's session tags too.
func CheckTags(tags minato.Tags) error {
	seen := map[string]string{}
	for key, value := range tags {
		switch folded := strings.ToLower(key); {
		case key == "" || utf8.RuneCountInString(key) > 128 || !tagForm.MatchString(key):
			return invalid("1 validation error detected: Value '%s' at 'tags.member.key' failed to satisfy constraint: "+
				`Member must have 1 to 128 characters of the pattern [\p{L}\p{Z}\p{N}_.:/=+\-@]+`, key)
		case utf8.RuneCountInString(value) > 256 || !tagForm.MatchString(value):
			return invalid("1 validation error detected: Value '%s' at 'tags.member.value' failed to satisfy constraint: "+
				`Member must have at most 256 characters of the pattern [\p{L}\p{Z}\p{N}_.:/=+\-@]*`, value)
		case strings.HasPrefix(folded, "aws:"):
			return invalidInput("System tags cannot be added/updated/deleted by a requester: %s", key)
		case seen[folded] != "":
			return invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive: %s and %s", key, seen[folded])
		default:
			seen[folded] = key
		}
	}
	if len(tags) > maxTags {
		return limitExceeded("The number of tags has reached the maximum limit: %d", maxTags)
	}
	return nil
}

// parseDocument reads a policy document that a user gave, with IAM's bounds on its characters.
func parseDocument(parameter, document string, kind policy.Kind) (*policy.Policy, error) {
	if document == "" {
		return nil, Missing(parameter)
	}
	for _, r := range document {
		if r > 0xFF || (r < ' ' && !strings.ContainsRune("\t\n\r", r)) {
			return nil, invalid("The specified value for %s is invalid. It must contain only printable ASCII characters: it has %q",
				parameter, r)
		}
	}
	p, err := policy.Parse(document, kind)
	if err != nil {
		return nil, malformed(err)
	}
	return p, nil
}

// policySize is a document's length as IAM's quotas count it: without white space.
func policySize(document string) (n int) {
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
