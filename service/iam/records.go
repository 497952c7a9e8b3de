package iam

import (
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Where the records of this service lie. Names are kept in lower case in keys, because IAM tells no two names apart by case.
const (
	Prefix                 = "/minato/iam/"
	AccountsPrefix         = Prefix + "accounts/"          // + account
	UsersPrefix            = Prefix + "users/"             // + account/name
	GroupsPrefix           = Prefix + "groups/"            // + account/name
	RolesPrefix            = Prefix + "roles/"             // + account/name
	PoliciesPrefix         = Prefix + "policies/"          // + account/name
	InstanceProfilesPrefix = Prefix + "instance-profiles/" // + account/name
	OIDCProvidersPrefix    = Prefix + "oidc-providers/"    // + account/url without its scheme
	AccessKeysPrefix       = "/minato/accesskeys/"         // + access key id
	SessionsPrefix         = "/minato/sessions/"           // + access key id
)

// Kind is which of the things that carry policies something is. It is spelled as in ARNs.
type Kind string

// The kinds.
const (
	UserKind  Kind = "user"
	GroupKind Kind = "group"
	RoleKind  Kind = "role"
)

// Holder names a user, a group or a role.
type Holder struct {
	Account string
	Kind    Kind
	Name    string
}

// Account is an account of this server.
type Account struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// RootKey and AdminKey are the ids of the access keys that came with the account.
	RootKey  string `json:"rootKey"`
	AdminKey string `json:"adminKey"`
}

// Entity is what users, groups and roles have in common.
type Entity struct {
	Account  string            `json:"account"`
	Path     string            `json:"path"`
	Name     string            `json:"name"`
	ID       string            `json:"id"` // AIDA…, AGPA…, AROA…
	Created  time.Time         `json:"created"`
	Tags     minato.Tags       `json:"tags,omitempty"`
	Attached []string          `json:"attached,omitempty"` // ARNs of managed policies, in the order they were attached
	Inline   map[string]string `json:"inline,omitempty"`   // documents by policy name
	Boundary string            `json:"boundary,omitempty"` // ARN of the managed policy that is the permissions boundary
}

func (e *Entity) entity() *Entity { return e }

func (e *Entity) arn(kind Kind) minato.ARN {
	return minato.NewARN("iam", "", e.Account, string(kind)+e.Path+e.Name)
}

// User is an IAM user.
type User struct {
	Entity
	Groups     []string `json:"groups,omitempty"`     // names
	AccessKeys []string `json:"accessKeys,omitempty"` // ids
}

// ARN is arn:aws:iam::ACCOUNT:user/PATH/NAME.
func (u *User) ARN() minato.ARN { return u.arn(UserKind) }

// Group is an IAM group. Its members are recorded on both sides, in one commit.
type Group struct {
	Entity
	Members []string `json:"members,omitempty"` // names of users
}

// ARN is arn:aws:iam::ACCOUNT:group/PATH/NAME.
func (g *Group) ARN() minato.ARN { return g.arn(GroupKind) }

// Role is an IAM role.
type Role struct {
	Entity
	Description        string        `json:"description,omitempty"`
	MaxSessionDuration time.Duration `json:"maxSessionDuration"`
	Trust              string        `json:"trust"` // the trust policy, as it was given
	// TrustIDs are the unique ids that the users and roles named in Trust had when it was written: one that is deleted and
	// made again is trusted no more.
	TrustIDs         map[string]string `json:"trustIds,omitempty"`
	InstanceProfiles []string          `json:"instanceProfiles,omitempty"` // names
}

// ARN is arn:aws:iam::ACCOUNT:role/PATH/NAME.
func (r *Role) ARN() minato.ARN { return r.arn(RoleKind) }

// AccessKey is a long-lived access key.
type AccessKey struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	User    string    `json:"user,omitempty"`   // name; empty for the account's root
	UserID  string    `json:"userId,omitempty"` // unique id of the user
	Secret  []byte    `json:"secret"`           // sealed under the record's key
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`
}

// ManagedPolicy is a managed policy, the customer's or AWS's.
type ManagedPolicy struct {
	Account     string          `json:"account"` // "aws" for AWS's own
	Path        string          `json:"path"`
	Name        string          `json:"name"`
	ID          string          `json:"id"` // ANPA…
	Description string          `json:"description,omitempty"`
	Created     time.Time       `json:"created"`
	Updated     time.Time       `json:"updated"`
	Tags        minato.Tags     `json:"tags,omitempty"`
	Default     string          `json:"default"`     // id of the version in force
	LastVersion int             `json:"lastVersion"` // number of the newest version ever made
	Versions    []PolicyVersion `json:"versions"`
	// AttachedTo and BoundaryOf are who uses it, as kind/name. They are kept for customers' policies only.
	AttachedTo []string `json:"attachedTo,omitempty"`
	BoundaryOf []string `json:"boundaryOf,omitempty"`
}

// PolicyVersion is one version of a managed policy.
type PolicyVersion struct {
	ID       string    `json:"id"` // "v1"
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// ARN is arn:aws:iam::ACCOUNT:policy/PATH/NAME.
func (p *ManagedPolicy) ARN() minato.ARN {
	return minato.NewARN("iam", "", p.Account, "policy"+p.Path+p.Name)
}

// Version is one of the policy's versions, nil if there is none with this id.
func (p *ManagedPolicy) Version(id string) *PolicyVersion {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}

// InstanceProfile hands a role to machines.
type InstanceProfile struct {
	Account string      `json:"account"`
	Path    string      `json:"path"`
	Name    string      `json:"name"`
	ID      string      `json:"id"` // AIPA…
	Created time.Time   `json:"created"`
	Tags    minato.Tags `json:"tags,omitempty"`
	Role    string      `json:"role,omitempty"` // name
}

// ARN is arn:aws:iam::ACCOUNT:instance-profile/PATH/NAME.
func (p *InstanceProfile) ARN() minato.ARN {
	return minato.NewARN("iam", "", p.Account, "instance-profile"+p.Path+p.Name)
}

// OIDCProvider is an OpenID Connect identity provider that the account trusts.
type OIDCProvider struct {
	Account     string      `json:"account"`
	URL         string      `json:"url"` // without https://
	ClientIDs   []string    `json:"clientIds,omitempty"`
	Thumbprints []string    `json:"thumbprints,omitempty"`
	Created     time.Time   `json:"created"`
	Tags        minato.Tags `json:"tags,omitempty"`
}

// ARN is arn:aws:iam::ACCOUNT:oidc-provider/URL.
func (p *OIDCProvider) ARN() minato.ARN {
	return minato.NewARN("iam", "", p.Account, "oidc-provider/"+p.URL)
}

// recordID is the id of a record by its name within an account.
func recordID(account, name string) string { return store.ID(account, strings.ToLower(name)) }

// Users is the collection of users.
func Users(s store.Store) *store.Collection[User] { return store.NewCollection[User](s, UsersPrefix) }

// Roles is the collection of roles.
func Roles(s store.Store) *store.Collection[Role] { return store.NewCollection[Role](s, RolesPrefix) }

// AccessKeys is the collection of long-lived access keys.
func AccessKeys(s store.Store) *store.Collection[AccessKey] {
	return store.NewCollection[AccessKey](s, AccessKeysPrefix)
}

// Sessions is the collection of temporary credentials.
func Sessions(s store.Store) *store.Collection[Session] {
	return store.NewCollection[Session](s, SessionsPrefix)
}
