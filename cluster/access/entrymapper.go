package access

import (
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

// PrivateDNSName is the private DNS name of an EC2 instance, and whether it is known. It must answer from memory.
type PrivateDNSName func(account, instanceID string) (string, bool)

// orNone is name, or what knows no instance where there is none.
func (name PrivateDNSName) orNone() PrivateDNSName {
	if name == nil {
		return func(string, string) (string, bool) { return "", false }
	}
	return name
}

// Mapper knows the principals that have an access entry. It comes before any other: with an entry, nothing else counts. Where
// no instances are known, name may be nil.
func (e *Entries) Mapper(name PrivateDNSName) Mapper {
	name = name.orNone()
	return func(cluster *eks.Cluster, p minato.Principal) (Mapping, bool) {
		found := e.find(cluster, p)
		if found == nil {
			return Mapping{}, false
		}
		username, refused := fill(found.Username, p, name)
		if refused != "" {
			return Mapping{Refused: refused}, true
		}
		return Mapping{Username: username, Groups: found.Groups}, true
	}
}

const instanceName = "{{EC2PrivateDNSName}}"

// fill puts what is known of a principal into the template of a username, or says why it cannot. Values are not looked into
// for templates again: a session may be called {{AccountID}}.
func fill(template string, p minato.Principal, name PrivateDNSName) (username, refused string) {
	dnsName := ""
	if strings.Contains(template, instanceName) {
		known := false
		if dnsName, known = name(p.Account, p.SessionName); !known {
			return "", "its access entry names it after an EC2 instance, and " + p.SessionName + " is none that is known"
		}
	}
	username = strings.NewReplacer(
		"{{SessionName}}", strings.ReplaceAll(p.SessionName, "@", "-"),
		"{{SessionNameRaw}}", p.SessionName,
		"{{AccountID}}", p.Account,
		"{{AccessKeyID}}", p.AccessKeyID,
		instanceName, dnsName,
	).Replace(template)
	if username == "" {
		return "", "the username of its access entry comes out empty"
	}
	return username, ""
}
