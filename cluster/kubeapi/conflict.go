package kubeapi

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Reason is the reason and the message of the metav1.Status in an error of a Client, empty where there is none.
func Reason(err error) (reason, message string) {
	s := statusOf(err)
	return s.Reason, s.Message
}

// Conflicts are the fields that an Apply without force failed on, because others have set them: ".spec.replicas". There are none in
// any other error.
func Conflicts(err error) (fields []string) {
	if Status(err) != http.StatusConflict {
		return nil
	}
	for _, c := range statusOf(err).Details.Causes {
		if c.Reason == "FieldManagerConflict" {
			fields = append(fields, c.Field)
		}
	}
	return fields
}

// status is what is read of a metav1.Status.
type status struct {
	Reason, Message string
	Details         struct {
		Causes []struct{ Reason, Field string }
	}
}

func statusOf(err error) (s status) {
	if e, ok := errors.AsType[*StatusError](err); ok {
		_ = json.Unmarshal([]byte(e.Body), &s) // what is no Status says nothing
	}
	return s
}
