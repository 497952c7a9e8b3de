package podagent

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"minato.dev/minato/cluster/node/imds"
	"minato.dev/minato/internal/sigv4"
)

// Limits of asking EKS Auth.
const (
	dialTimeout   = 500 * time.Millisecond
	askTimeout    = time.Second
	attempts      = 4
	firstPause    = 100 * time.Millisecond
	maxAnswer     = 64 << 10
	inFlight      = 32
	keyLifeMargin = 5 * time.Minute
)

// Credentials are what a pod gets.
type Credentials struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	Token           string    `json:"Token"`
	AccountID       string    `json:"AccountId"`
	Expiration      time.Time `json:"Expiration"`
}

// after are the credentials with an end that is said to be so much later.
func (c Credentials) after(d time.Duration) Credentials {
	c.Expiration = c.Expiration.Add(d)
	return c
}

// upstreamError is an error that EKS Auth has answered.
type upstreamError struct {
	Status    int
	RequestID string
	Code      string
	Message   string
}

// Error is as the agent of EKS tells it to the pod.
func (e *upstreamError) Error() string {
	fault := "client"
	if e.Status >= 500 {
		fault = "server"
	}
	return fmt.Sprintf("[%s]: (%s): %s, fault: %s", e.RequestID, e.Code, e.Message, fault)
}

// unsigned is whether EKS Auth has refused the agent's own signature, such as when the credentials of the node's role ended early: that
// says nothing about the token. What EKS Auth says about tokens and roles never has this status.
func (e *upstreamError) unsigned() bool { return e.Status == http.StatusForbidden }

// final is whether a token never gets credentials again.
func (e *upstreamError) final() bool { return fatal[e.Code] && !e.unsigned() }

// fatal are the codes after which a token never gets credentials again.
var fatal = map[string]bool{
	"ResourceNotFoundException": true, "ExpiredTokenException": true, "InvalidTokenException": true, "AccessDeniedException": true,
}

// Key is what requests are signed with, good until Expires.
type Key struct {
	sigv4.Key
	Expires time.Time
}

// EKSAuth asks EKS Auth for credentials.
type EKSAuth struct {
	Endpoint string // URL
	Cluster  string
	Region   string
	// NodeKey gets the credentials of the node's role.
	NodeKey func(context.Context) (Key, error)
	Client  *http.Client

	serverClock

	mu    sync.Mutex
	key   Key
	slots chan struct{}
}

// NewClient makes a client with the timeouts of EKS's agent. It keeps the connections of as many questions as there are at once: a burst of
// pods would otherwise be as many handshakes.
func NewClient(trust *tls.Config) *http.Client {
	return &http.Client{Timeout: askTimeout, Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, MaxIdleConnsPerHost: inFlight, MaxConnsPerHost: inFlight, TLSClientConfig: trust,
	}}
}

// NewEKSAuth makes an EKSAuth.
func NewEKSAuth(endpoint, cluster, region string, key func(context.Context) (Key, error), client *http.Client) *EKSAuth {
	return &EKSAuth{Endpoint: endpoint, Cluster: cluster, Region: region, NodeKey: key, Client: client, slots: make(chan struct{}, inFlight)}
}

// Assume gets the credentials for a token, with an end by the server's clock. What may pass is tried again; too many requests, which surely
// pass, until ctx ends. Who tries again stays one of those in flight, so that there are no more requests than EKS Auth takes.
func (a *EKSAuth) Assume(ctx context.Context, token string) (c Credentials, err error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return c, ctx.Err()
	}
	for failed := 0; ; {
		c, err = a.once(ctx, token)
		e, answered := errors.AsType[*upstreamError](err)
		pause := firstPause
		switch {
		case err == nil || answered && !e.passes():
			return c, err
		case answered && e.throttled():
		default:
			if failed++; failed == attempts {
				return c, err
			}
			pause = firstPause << (failed - 1)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return c, err
		}
	}
}

// passes is whether the same request may be answered with credentials later.
func (e *upstreamError) passes() bool {
	return e.Status >= 500 || e.throttled() || e.unsigned()
}

// throttled is whether there were too many requests.
func (e *upstreamError) throttled() bool {
	return e.Status == http.StatusTooManyRequests || e.Code == "ThrottlingException"
}

func (a *EKSAuth) once(ctx context.Context, token string) (c Credentials, err error) {
	key, err := a.nodeKey(ctx)
	if err != nil {
		return c, err
	}
	body, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		return c, err
	}
	target := strings.TrimSuffix(a.Endpoint, "/") + "/clusters/" + url.PathEscape(a.Cluster) + "/assume-role-for-pod-identity"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return c, err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := sigv4.Sign(req, body, key.Key, a.Region, "eks-auth", time.Now()); err != nil {
		return c, err
	}
	resp, err := a.Client.Do(req)
	if err != nil {
		return c, fmt.Errorf("EKS Auth does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c, fmt.Errorf("EKS Auth does not answer: %w", err)
	}
	ahead := a.note(resp.Header)
	if resp.StatusCode != http.StatusOK {
		err := readError(resp, answer)
		if err.unsigned() {
			a.forget(key)
		}
		return c, err
	}
	c, err = readCredentials(answer)
	return c.after(ahead), err
}

// nodeKey is the key of the node's role, kept until shortly before it ends.
func (a *EKSAuth) nodeKey(ctx context.Context) (Key, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Until(a.key.Expires) > keyLifeMargin {
		return a.key, nil
	}
	key, err := a.NodeKey(ctx)
	if err != nil {
		if time.Until(a.key.Expires) > 0 {
			return a.key, nil
		}
		return Key{}, fmt.Errorf("there are no credentials of the node: %w", err)
	}
	a.key = key
	return key, nil
}

// forget has the node's role asked for another key than one that is refused.
func (a *EKSAuth) forget(key Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.key.Key == key.Key {
		a.key = Key{}
	}
}

func readError(resp *http.Response, body []byte) *upstreamError {
	e := &upstreamError{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Amzn-Requestid")}
	var said struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &said) // what is no JSON says nothing
	e.Code, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	e.Message = said.Message
	return e
}

func readCredentials(body []byte) (Credentials, error) {
	var answer struct {
		AssumedRoleUser struct {
			ARN string `json:"arn"`
		} `json:"assumedRoleUser"`
		Credentials struct {
			AccessKeyID     string  `json:"accessKeyId"`
			SecretAccessKey string  `json:"secretAccessKey"`
			SessionToken    string  `json:"sessionToken"`
			Expiration      float64 `json:"expiration"` // seconds since 1970
		} `json:"credentials"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Credentials.AccessKeyID == "" {
		return Credentials{}, errors.New("the answer of EKS Auth cannot be read")
	}
	c := Credentials{
		AccessKeyID: answer.Credentials.AccessKeyID, SecretAccessKey: answer.Credentials.SecretAccessKey, Token: answer.Credentials.SessionToken,
		Expiration: time.UnixMilli(int64(answer.Credentials.Expiration * 1000)).UTC(),
	}
	if parts := strings.Split(answer.AssumedRoleUser.ARN, ":"); len(parts) > 4 {
		c.AccountID = parts[4]
	}
	return c, nil
}

// InstanceKey gets the credentials of the node's role from its metadata service.
func InstanceKey(ctx context.Context) (Key, error) {
	const folder = "meta-data/iam/security-credentials/"
	metadata := imds.NewClient()
	roles, err := metadata.List(ctx, folder)
	if err != nil {
		return Key{}, err
	}
	if len(roles) == 0 {
		return Key{}, errors.New("the instance has no role: give it an instance profile")
	}
	answer, err := metadata.Get(ctx, folder+roles[0])
	if err != nil {
		return Key{}, err
	}
	var c struct {
		Code, Message   string
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if err := json.Unmarshal([]byte(answer), &c); err != nil {
		return Key{}, errors.New("the metadata service's credentials cannot be read")
	}
	if c.Code != "Success" {
		return Key{}, fmt.Errorf("there are no credentials of the role %s: %s: %s", roles[0], c.Code, c.Message)
	}
	return Key{sigv4.Key{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.Token}, c.Expiration}, nil
}
