package access

import (
	"slices"
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
// It is part of each decision, so it makes nothing where there is no template.
func fill(template string, p minato.Principal, name PrivateDNSName) (username, refused string) {
	if !strings.Contains(template, "{{") && template != "" {
		return template, ""
	}
	dnsName := ""
	if strings.Contains(template, instanceName) {
		known := false
		if dnsName, known = name(p.Account, p.SessionName); !known {
			return "", "its access entry names it after an EC2 instance, and " + p.SessionName + " is none that is known"
		}
	}
	username = replaceWords(template, [][2]string{
		{"{{SessionName}}", strings.ReplaceAll(p.SessionName, "@", "-")},
		{"{{SessionNameRaw}}", p.SessionName},
		{"{{AccountID}}", p.Account},
		{"{{AccessKeyID}}", p.AccessKeyID},
		{instanceName, dnsName},
	})
	if username == "" {
		return "", "the username of its access entry comes out empty"
	}
	return username, ""
}

// replaceWords puts values in the place of words that begin with a brace, none of which is the beginning of another. (A
// strings.Replacer would do so too, and costs more to make than all else in a decision.)
func replaceWords(text string, words [][2]string) string {
	var b strings.Builder
	for {
		at := strings.Index(text, "{{")
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at])
		text = text[at:]
		i := slices.IndexFunc(words, func(w [2]string) bool { return strings.HasPrefix(text, w[0]) })
		if i < 0 {
			b.WriteByte(text[0])
			text = text[1:]
			continue
		}
		b.WriteString(words[i][1])
		text = text[len(words[i][0]):]
	}
}
