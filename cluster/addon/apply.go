package addon

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/service/eks"
)

// The codes of issues.
const (
	issueConflict     = "ConfigurationConflict"
	issueDenied       = "AdmissionRequestDenied"
	issueForbidden    = "AccessDenied"
	issueNotFound     = "K8sResourceNotFound"
	issueUnsupported  = "UnsupportedAddonModification"
	issueUnreachable  = "ClusterUnreachable"
	issueReplicas     = "InsufficientNumberOfReplicas"
	issueInternal     = "InternalFailure"
	conflictsPreamble = "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts:\n"
)

// problem is why an add-on cannot be what its owner asks for, until the owner does something.
type problem struct{ issue eks.HealthIssue }

func (p *problem) Error() string { return p.issue.Code + ": " + p.issue.Message }

// problemOf makes a problem of an answer that trying again would not change; other errors it gives back.
func problemOf(o object, err error) error {
	_, message := kubeapi.Reason(err)
	if message == "" && err != nil {
		message = err.Error()
	}
	code := ""
	switch status := kubeapi.Status(err); {
	case strings.Contains(message, "admission webhook") || strings.Contains(message, "ValidatingAdmissionPolicy"):
		if status != http.StatusInternalServerError { // the webhook does not answer, which passes
			code = issueDenied
		}
	case status == http.StatusForbidden:
		code = issueForbidden
	case status == http.StatusNotFound:
		code = issueNotFound
	case status == http.StatusUnprocessableEntity && strings.Contains(message, "immutable"):
		code = issueConflict
	case status == http.StatusUnprocessableEntity, status == http.StatusBadRequest:
		code = issueUnsupported
	}
	if code == "" {
		return fmt.Errorf("%s: %w", o, err)
	}
	return &problem{eks.HealthIssue{Code: code, Message: o.String() + ": " + message}}
}

// givenUp is the issue of a change that has met with an error, which trying again could have changed and did not, for too long.
func givenUp(err error) eks.HealthIssue {
	switch {
	case kubeapi.Status(err) == 0:
		return eks.HealthIssue{Code: issueUnreachable, Message: "The cluster's API server does not answer."}
	case strings.Contains(err.Error(), "webhook"):
		return eks.HealthIssue{Code: issueDenied, Message: err.Error()}
	}
	return eks.HealthIssue{Code: issueInternal, Message: err.Error()}
}

// tryAll asks whether all of an add-on's objects can be applied. What becomes of fields that others have set is in resolve: to
// preserve them, they are taken out of the objects.
func tryAll(ctx context.Context, client *kubeapi.Client, objects []object, resolve string) error {
	force := resolve == eks.ResolveOverwrite
	var conflicts []string
	for i, o := range objects {
		if o.kind == "Namespace" { // first, and there before the rest can be tried
			if err := create(ctx, client, o); err != nil {
				return problemOf(o, err)
			}
			continue
		}
		fitting, found, err := try(ctx, client, o, force, resolve == eks.ResolvePreserve)
		if err != nil {
			return err
		}
		objects[i].Object = fitting
		for _, field := range found {
			conflicts = append(conflicts, o.String()+" - "+field)
		}
	}
	if len(conflicts) > 0 {
		return &problem{eks.HealthIssue{Code: issueConflict, Message: conflictsPreamble + strings.Join(conflicts, "\n")}}
	}
	return nil
}

// applyAll applies an add-on's objects, which have been tried.
func applyAll(ctx context.Context, client *kubeapi.Client, objects []object, resolve string) error {
	for _, o := range objects {
		if o.kind == "Namespace" {
			continue
		}
		if err := client.Apply(ctx, o.path(), manager, resolve == eks.ResolveOverwrite, o.Object); err != nil {
			return problemOf(o, err)
		}
	}
	return nil
}

// try asks kube-apiserver whether an object can be applied, and gives the conflicts; with preserve, the object without the fields
// that others have set.
func try(ctx context.Context, client *kubeapi.Client, o object, force, preserve bool) (fitting kubeapi.Object, conflicts []string, err error) {
	fitting = o.Object
	for {
		err := client.TryApply(ctx, o.path(), manager, force, fitting)
		conflicts = kubeapi.Conflicts(err)
		switch {
		case err == nil:
			return fitting, nil, nil
		case len(conflicts) == 0:
			return nil, nil, problemOf(o, err)
		case !preserve:
			return nil, conflicts, nil
		}
		if fitting, err = without(fitting, conflicts); err != nil {
			return nil, nil, fmt.Errorf("preserving what others have set of %s: %w", o, err)
		}
	}
}

// restore applies those of an add-on's objects that are not there, and tells whether there were any.
func restore(ctx context.Context, client *kubeapi.Client, objects []object) (restored []string, err error) {
	for _, o := range objects {
		var there kubeapi.Object
		err := client.Get(ctx, o.path(), &there)
		if kubeapi.NotFound(err) {
			err = client.Apply(ctx, o.path(), manager, false, o.Object)
			restored = append(restored, o.String())
		}
		if err != nil {
			return restored, problemOf(o, err)
		}
	}
	return restored, nil
}

// removeAll deletes objects, the last first. A namespace stays: others may have put something into it.
func removeAll(ctx context.Context, client *kubeapi.Client, objects []object) error {
	for i := len(objects) - 1; i >= 0; i-- {
		o := objects[i]
		if o.kind == "Namespace" {
			continue
		}
		if err := client.Delete(ctx, o.path()); err != nil {
			return problemOf(o, err)
		}
	}
	return nil
}
