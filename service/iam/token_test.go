package iam

import (
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/seal"
)

// FuzzOpenToken: whatever opens says what was sealed under the key, and nothing else.
func FuzzOpenToken(f *testing.F) {
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		f.Fatal(err)
	}
	expires := time.Unix(1_795_435_200, 0).UTC()
	recorded := sealToken(sealer, "ASIAEXAMPLE", expires)
	itself, fits := carry(sealer, Session{Principal: minato.Principal{AccessKeyID: "ASIAEXAMPLE"}, Expires: expires, Secret: []byte("secret")})
	if !fits {
		f.Fatal("a small session does not fit")
	}
	for _, made := range []string{recorded, itself} {
		f.Add(made)
		f.Add(made[:len(made)-4])
	}
	f.Add("AQ==")
	f.Add("Ag==")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		o, ok := openToken(sealer, token)
		if (token == recorded || token == itself) && !ok {
			t.Fatal("a token that was made here does not open")
		}
		if ok && (o.keyID != "ASIAEXAMPLE" || !o.expires.Equal(expires) || (o.session != nil) != (token == itself)) {
			t.Fatalf("opened as %+v", o)
		}
	})
}

// TestTokenSize is that the sessions of pods travel in their tokens, with names as long as they are, and that those that would make a
// token too long do not.
func TestTokenSize(t *testing.T) {
	t.Parallel()
	sealer, err := seal.New([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	role := minato.NewARN("iam", "", "111122223333", "role/platform/team-a/orders-service-reader")
	const name = "eks-production-orders-6f-0b0f4a3e-9a54-4c2e-8f10-3f6b0a0c5a77"
	pod := Session{
		Principal: minato.Principal{
			Type: minato.AssumedRole, Account: "111122223333", ID: newUniqueID(rolePrefix) + ":" + name, AccessKeyID: newSessionKeyID("111122223333"), RoleARN: role,
			ARN: minato.NewARN("sts", "", "111122223333", "assumed-role/orders-service-reader/"+name), SessionName: name,
		},
		Context: SessionContext{IssuedAt: time.Now(), Tags: minato.Tags{
			"eks-cluster-arn": "arn:aws:eks:ap-southeast-2:111122223333:cluster/production-apsoutheast2-blue", "eks-cluster-name": "production-apsoutheast2-blue",
			"kubernetes-namespace": "orders-and-invoicing", "kubernetes-service-account": "orders-service-reader",
			"kubernetes-pod-name": "orders-service-7c9f6d5b8d-x2x7q", "kubernetes-pod-uid": "5d3c1f7e-2f53-4f8e-a7b1-6f0d0c8b9a41",
		}, TransitiveTags: []string{"eks-cluster-arn", "eks-cluster-name", "kubernetes-namespace", "kubernetes-pod-name", "kubernetes-pod-uid", "kubernetes-service-account"}},
		Secret: []byte(newSecret()), Expires: time.Now().Add(6 * time.Hour),
	}
	token, fits := carry(sealer, pod)
	if !fits || len(token) > maxTokenBytes {
		t.Errorf("the token of a pod has %d characters", len(token))
	}
	for range 40 {
		pod.Context.Policies = append(pod.Context.Policies, newSecret())
	}
	if token, fits := carry(sealer, pod); fits {
		t.Errorf("a session with %d bytes of policies makes a token of %d characters", 40*40, len(token))
	}
}

func TestSessionKeyAccount(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"000000000000", "000000000001", "111122223333", "999999999999"} {
		id := newSessionKeyID(account)
		if !accessKeyIDForm.MatchString(id) || sessionKeyAccount(id) != account || id == newSessionKeyID(account) {
			t.Errorf("account %s: %s tells %s", account, id, sessionKeyAccount(id))
		}
	}
	if got := sessionKeyAccount("ASIAQNZGKIQY56JQ7WML"); got != "029608264753" { // a published one of AWS's
		t.Errorf("AWS's key is of account %s", got)
	}
	if got := sessionKeyAccount(sessionKeyPrefix + strings.Repeat("?", 16)); got != "" {
		t.Errorf("no id tells account %s", got)
	}
}
