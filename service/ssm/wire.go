package ssm

import "time"

// Paths of the two requests that machines make of the server, over TLS, both POST with JSON.
const (
	RegisterPath    = "/hybrid/register"
	CredentialsPath = "/hybrid/credentials"
)

// Credentials are those of a node's role, as the answer to a Proof has them.
type Credentials struct {
	AccessKeyID     string    `json:"accessKeyId"`
	SecretAccessKey string    `json:"secretAccessKey"`
	SessionToken    string    `json:"sessionToken"`
	Expires         time.Time `json:"expires"`
}
