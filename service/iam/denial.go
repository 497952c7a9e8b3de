package iam

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"

	"minato.dev/minato"
	"minato.dev/minato/service/iam/policy"
)

const (
	denialContext = "authorization message of " // + account
	// MaxEncodedDenial is the longest message that is decoded (STS API reference, DecodeAuthorizationMessage).
	MaxEncodedDenial = 10240
	maxDecodedDenial = 256 << 10
)

// denial is the cause of an error of Authorize: what was asked and decided, to be told only to those who may know.
type denial struct{ encode func() string }

func (d *denial) Error() string { return "denied by policies" }

// EncodedDenial is an error of Authorize as an encoded message, which only DecodeDenial reads; empty for any other error. Some services
// of AWS send it with their refusals (IAM User Guide, "Troubleshoot access denied error messages").
func EncodedDenial(err error) string {
	if d, ok := errors.AsType[*denial](err); ok {
		return d.encode()
	}
	return ""
}

// The document of a decoded message (AWS CLI reference, decode-authorization-message).
type denialDocument struct {
	Allowed           bool               `json:"allowed"`
	ExplicitDeny      bool               `json:"explicitDeny"`
	MatchedStatements items[denialMatch] `json:"matchedStatements"`
	Failures          items[struct{}]    `json:"failures"`
	Context           denialCircumstance `json:"context"`
}

type items[T any] struct {
	Items []T `json:"items"`
}

type denialMatch struct {
	StatementID string `json:"statementId"`
	Effect      string `json:"effect"`
	Policy      string `json:"sourcePolicyId"`
}

type denialCircumstance struct {
	Principal struct {
		ID   string `json:"id"`
		Name string `json:"name,omitempty"`
		ARN  string `json:"arn"`
	} `json:"principal"`
	Action     string                 `json:"action"`
	Resource   string                 `json:"resource"`
	Conditions items[denialCondition] `json:"conditions"`
}

type denialCondition struct {
	Key    string             `json:"key"`
	Values items[denialValue] `json:"values"`
}

type denialValue struct {
	Value string `json:"value"`
}

// encodeDenial seals what a decision was about, for the account of the caller.
func (s *Service) encodeDenial(a Access, d policy.Decision) string {
	who := a.Credential.Principal
	document := denialDocument{ExplicitDeny: d.Verdict == policy.ExplicitDeny}
	document.MatchedStatements.Items, document.Failures.Items = []denialMatch{}, []struct{}{}
	if d.Statement != nil {
		document.MatchedStatements.Items = append(document.MatchedStatements.Items,
			denialMatch{StatementID: d.Statement.Sid, Effect: "DENY", Policy: d.Statement.Policy})
	}
	c := &document.Context
	c.Principal.ID, c.Principal.Name, c.Principal.ARN = who.ID, who.ARN.ResourceName(), who.ARN.String()
	c.Action, c.Resource, c.Conditions.Items = a.Action, resourceOf(a), []denialCondition{}
	for _, key := range slices.Sorted(maps.Keys(a.Context)) {
		condition := denialCondition{Key: key}
		for _, v := range a.Context[key] {
			condition.Values.Items = append(condition.Values.Items, denialValue{v})
		}
		c.Conditions.Items = append(c.Conditions.Items, condition)
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err == nil {
		err = errors.Join(json.NewEncoder(w).Encode(document), w.Close())
	}
	if err != nil {
		panic("iam: encoding a denial: " + err.Error()) // strings only, into memory
	}
	return base64.RawURLEncoding.EncodeToString(s.sealer.Seal(b.Bytes(), denialContext+who.Account))
}

// DecodeDenial is the document, in JSON, of an encoded message that somebody of the account was sent. Errors: Invalid with the reason
// InvalidAuthorizationMessageException.
func (s *Service) DecodeDenial(account, encoded string) (string, error) {
	bad := minato.Errorf(minato.Invalid, "Message is not valid").Because("InvalidAuthorizationMessageException")
	if len(encoded) > MaxEncodedDenial {
		return "", bad
	}
	sealed, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", bad
	}
	plain, err := s.sealer.Unseal(sealed, denialContext+account)
	if err != nil {
		return "", bad
	}
	document, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(plain)), maxDecodedDenial))
	return string(bytes.TrimSpace(document)), err
}
