package ssm

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// Bounds of activations (SSM API reference, CreateActivation).
const (
	defaultExpiry   = 24 * time.Hour
	maxExpiry       = 30 * 24 * time.Hour
	maxLimit        = 1000
	maxText         = 256
	codeLength      = 20
	reasonParameter = "InvalidParameters"
)

// NewActivation is what CreateActivation asks for.
type NewActivation struct {
	RoleName    string
	Description string
	Name        string
	Limit       int       // 0 is 1
	ExpiresAt   time.Time // zero is in 24 hours
	Tags        minato.Tags
}

// CreateActivation makes an activation, and answers its code, which nobody can read again.
func (s *Service) CreateActivation(ctx context.Context, c Caller, in NewActivation) (a Activation, code string, err error) {
	if err := s.authorize(ctx, c, "CreateActivation"); err != nil {
		return a, "", err
	}
	if err := s.checkActivation(&in); err != nil {
		return a, "", err
	}
	role, err := s.Role(ctx, c.Scope.Account, in.RoleName)
	if minato.Is(err, minato.NotFound) {
		return a, "", nonexistentRole(in.RoleName)
	}
	if err != nil {
		return a, "", err
	}
	err = s.PassRole(ctx, iam.Pass{Credential: c.Credential, Role: role.ARN(), Service: servicePrincipal, Context: c.Context})
	if err != nil {
		return a, "", err
	}
	code, a.ID = newCode(), newUUID()
	activation := minato.NewARN("ssm", string(c.Scope.Region), c.Scope.Account, "activation/"+a.ID)
	if err := s.CheckRole(ctx, role.ARN(), servicePrincipal, activation); minato.Is(err, minato.Denied) {
		return a, "", nonexistentRole(in.RoleName)
	} else if err != nil {
		return a, "", err
	}
	a = Activation{
		Scope: c.Scope, ID: a.ID, CodeHash: hashCode(code), RoleARN: role.ARN(), Description: in.Description, Name: in.Name,
		Limit: in.Limit, CreatedAt: s.Now().UTC(), ExpiresAt: in.ExpiresAt.UTC(), Tags: in.Tags,
	}
	_, err = Activations(s.Store).Create(ctx, RecordID(c.Scope, a.ID), a)
	return a, code, err
}

func (s *Service) checkActivation(in *NewActivation) error {
	now := s.Now()
	if in.ExpiresAt.IsZero() {
		in.ExpiresAt = now.Add(defaultExpiry)
	}
	if in.Limit == 0 {
		in.Limit = 1
	}
	// A role may be named with its path in front, as in the ARN.
	in.RoleName = in.RoleName[strings.LastIndexByte(in.RoleName, '/')+1:]
	switch {
	case in.RoleName == "":
		return invalid(reasonParameter, "IamRole is missing")
	case in.Limit < 1 || in.Limit > maxLimit:
		return invalid(reasonParameter, "RegistrationLimit is %d: want 1 to %d", in.Limit, maxLimit)
	case !in.ExpiresAt.After(now) || in.ExpiresAt.After(now.Add(maxExpiry)):
		return invalid(reasonParameter, "ExpirationDate %s is not within the next 30 days", in.ExpiresAt.UTC().Format(time.RFC3339))
	case len(in.Description) > maxText || len(in.Name) > maxText:
		return invalid(reasonParameter, "Description and DefaultInstanceName have at most %d characters", maxText)
	}
	return nil
}

func nonexistentRole(name string) error {
	return minato.Errorf(minato.Invalid, "Nonexistent role or missing ssm service principal in trust policy: %s", name).Because("ValidationException")
}

// Activations are all of the scope, oldest last.
func (s *Service) Activations(ctx context.Context, c Caller) ([]Activation, error) {
	if err := s.authorize(ctx, c, "DescribeActivations"); err != nil {
		return nil, err
	}
	page, err := Activations(s.Store).List(ctx, RecordID(c.Scope, ""), "", 0)
	if err != nil {
		return nil, err
	}
	all := make([]Activation, len(page.Items))
	for i, item := range page.Items {
		all[i] = item.Value
	}
	return all, nil
}

// DeleteActivation ends an activation. Machines that have registered stay.
func (s *Service) DeleteActivation(ctx context.Context, c Caller, id string) error {
	if err := s.authorize(ctx, c, "DeleteActivation"); err != nil {
		return err
	}
	err := Activations(s.Store).Delete(ctx, RecordID(c.Scope, id), store.AnyRevision)
	if errors.Is(err, store.ErrNotFound) {
		return invalid("InvalidActivationId", "Activation ID %s not found", id)
	}
	return err
}

// newCode is 20 letters and digits, 100 bits.
func newCode() string { return rand.Text()[:codeLength] }

func hashCode(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
