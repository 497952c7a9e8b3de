package ssmapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/ssmapi"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/ssm"
)

// ask sends an operation as the AWS CLI does, after the listener.
func ask(api *ssmapi.API, operation, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonSSM."+operation)
	call := &aws.Call{Scope: minato.Scope{Account: "111122223333", Region: "us-east-1"}}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r.WithContext(aws.WithCall(r.Context(), call)))
	return w
}

func newAPI() *ssmapi.API {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	return ssmapi.New(&ssm.Service{
		Store: memstore.New(), Now: func() time.Time { return now },
		Authorize: func(_ context.Context, a iam.Access) error {
			if a.Action == "ssm:DeleteActivation" {
				return minato.Errorf(minato.Denied, "you may not")
			}
			return nil
		},
		PassRole: func(context.Context, iam.Pass) error { return nil },
		Role: func(_ context.Context, account, name string) (iam.Role, error) {
			return iam.Role{Entity: iam.Entity{Account: account, Path: "/", Name: name}}, nil
		},
	})
}

func TestOperations(t *testing.T) {
	api := newAPI()
	for _, test := range []struct {
		operation, body string
		status          int
		want            []string
	}{
		{"CreateActivation", `{"IamRole":"service-role/hybrid","RegistrationLimit":3,"ExpirationDate":1795712400,"Tags":[{"Key":"a","Value":"b"}]}`, 200,
			[]string{`"ActivationId":"`, `"ActivationCode":"`}},
		{"DescribeActivations", `{}`, 200, []string{`"IamRole":"hybrid"`, `"RegistrationLimit":3`, `"RegistrationsCount":0`, `"ExpirationDate":1795712400`, `"Expired":false`}},
		{"DescribeInstanceInformation", `{"MaxResults":5}`, 200, []string{`"InstanceInformationList":[]`}},
		{"CreateActivation", `{"IamRole":"hybrid","Surprise":1}`, 400, []string{`"__type":"ValidationException"`, "Surprise"}},
		{"CreateActivation", `{"IamRole":"hybrid","RegistrationLimit":-1}`, 400, []string{`"__type":"InvalidParameters"`, "-1"}},
		{"DeleteActivation", `{"ActivationId":"x"}`, 400, []string{`"__type":"AccessDeniedException"`}},
		{"DeregisterManagedInstance", `{"InstanceId":"mi-0"}`, 400, []string{`"__type":"InvalidInstanceId"`}},
		{"SendCommand", `{}`, 400, []string{`"__type":"UnknownOperationException"`, "SendCommand"}},
	} {
		w := ask(api, test.operation, test.body)
		if w.Code != test.status {
			t.Errorf("%s: status %d: %s", test.operation, w.Code, w.Body)
		}
		for _, want := range test.want {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: no %s in %s", test.operation, want, w.Body)
			}
		}
	}
}
