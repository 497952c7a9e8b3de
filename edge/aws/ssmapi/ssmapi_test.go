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
		PassRole:  func(context.Context, iam.Pass) error { return nil },
		CheckRole: func(context.Context, minato.ARN, string, minato.ARN) error { return nil },
		Role: func(_ context.Context, account, name string) (iam.Role, error) {
			return iam.Role{Entity: iam.Entity{Account: account, Path: "/", Name: name}}, nil
		},
		NodeImages: func() []ssm.NodeImage {
			return []ssm.NodeImage{
				{Minor: "1.35", Architecture: "x86_64", ID: "ami-035", Name: "node-35", Release: "1.35.4-20260127", PublishedAt: now},
				{Minor: "1.36", Architecture: "x86_64", ID: "ami-036", Name: "node-36", Release: "1.36.3"},
			}
		},
	})
}

const images = "/aws/service/eks/optimized-ami"

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
		{"GetParameter", `{"Name":"` + images + `/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id"}`, 200,
			[]string{`"Value":"ami-035"`, `"Version":1`, `"ARN":"arn:aws:ssm:us-east-1::parameter/aws/service/eks/`, `"LastModifiedDate":17`}},
		{"GetParameter", `{"Name":"arn:aws:ssm:us-east-1::parameter` + images + `/1.36/amazon-linux-2023/x86_64/standard/recommended","WithDecryption":true}`, 200,
			[]string{`{\"schema_version\":\"2\",\"image_id\":\"ami-036\",\"image_name\":\"node-36\",\"release_version\":\"1.36.3\"}`}},
		{"GetParameter", `{"Name":"/mine"}`, 400, []string{`"__type":"ParameterNotFound"`, "Parameter /mine not found", "1.35, 1.36"}},
		{"GetParameter", `{}`, 400, []string{`"__type":"ValidationException"`}},
		{"GetParameters", `{"Names":["/mine","` + images + `/1.36/amazon-linux-2023/x86_64/standard/recommended/release_version:1"]}`, 200,
			[]string{`"Value":"1.36.3"`, `"InvalidParameters":["/mine"]`}},
		{"GetParameters", `{"Names":[]}`, 400, []string{`"__type":"ValidationException"`}},
		{"GetParametersByPath", `{"Path":"` + images + `","Recursive":true,"MaxResults":5}`, 200, []string{`"NextToken":"5"`, `/1.35/`, `/1.36/`}},
		{"GetParametersByPath", `{"Path":"` + images + `/","Recursive":true,"MaxResults":5,"NextToken":"5"}`, 200, []string{`"Value":"1.36.3","ARN"`}},
		{"GetParametersByPath", `{"Path":"` + images + `"}`, 200, []string{`"Parameters":[]`}},
		{"GetParametersByPath", `{"Path":"` + images + `","NextToken":"x"}`, 400, []string{`"__type":"InvalidNextToken"`}},
		{"GetParametersByPath", `{"Path":"aws","MaxResults":11}`, 400, []string{`"__type":"ValidationException"`}},
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
