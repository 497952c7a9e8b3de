package restjson_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/restjson"
)

// capture is a service of four operations that keeps the input that it was called with.
func capture(input *any) *restjson.API {
	ops := []restjson.Operation{
		restjson.Op(schemas.CreateCluster, schemas.CreateClusterRequest, schemas.CreateClusterResponse, keep[awseks.CreateClusterInput, awseks.CreateClusterOutput](input)),
		restjson.Op(schemas.ListClusters, schemas.ListClustersRequest, schemas.ListClustersResponse, keep[awseks.ListClustersInput, awseks.ListClustersOutput](input)),
		restjson.Op(schemas.DescribeClusterVersions, schemas.DescribeClusterVersionsRequest, schemas.DescribeClusterVersionsResponse, keep[awseks.DescribeClusterVersionsInput, awseks.DescribeClusterVersionsOutput](input)),
		restjson.Op(schemas.DisassociateAccessPolicy, schemas.DisassociateAccessPolicyRequest, schemas.DisassociateAccessPolicyResponse, keep[awseks.DisassociateAccessPolicyInput, awseks.DisassociateAccessPolicyOutput](input)),
	}
	return restjson.New(restjson.Definition{
		SigningName: "eks", Operations: ops, Exceptions: awseks.TypeRegistry,
		ErrorCode: func(_ string, err error) string {
			if minato.Is(err, minato.NotFound) {
				return "ResourceNotFoundException"
			}
			return "ServerException"
		},
	})
}

func keep[In, Out any](input *any) func(context.Context, *In) (*Out, error) {
	return func(_ context.Context, in *In) (*Out, error) {
		*input = in
		return new(Out), nil
	}
}

func serve(api *restjson.API, method, uri, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, uri, strings.NewReader(body))
	api.ServeHTTP(w, r.WithContext(aws.WithCall(r.Context(), &aws.Call{RequestID: "req-1"})))
	return w
}

var ignore = cmp.Options{
	cmpopts.IgnoreUnexported(awseks.CreateClusterInput{}, awseks.ListClustersInput{}, awseks.DescribeClusterVersionsInput{}, awseks.DisassociateAccessPolicyInput{},
		ekstypes.Logging{}, ekstypes.LogSetup{}, ekstypes.VpcConfigRequest{}, ekstypes.EncryptionConfig{}, ekstypes.UpgradePolicyRequest{}),
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, uri, body string
		want                    any
	}{
		{"no body is an empty object", "POST", "/clusters", ``, &awseks.CreateClusterInput{}},
		{"null members are absent", "POST", "/clusters", `{"name":null,"tags":null,"resourcesVpcConfig":null}`, &awseks.CreateClusterInput{}},
		{"empty containers are there", "POST", "/clusters", `{"tags":{},"logging":{"clusterLogging":[]},"upgradePolicy":{}}`, &awseks.CreateClusterInput{
			Tags: map[string]string{}, Logging: &ekstypes.Logging{ClusterLogging: []ekstypes.LogSetup{}}, UpgradePolicy: &ekstypes.UpgradePolicyRequest{},
		}},
		{"nested values", "POST", "/clusters", `{"name":"a\u00e9","deletionProtection":false,"logging":{"clusterLogging":[{"types":["api"],"enabled":true}]},
			"resourcesVpcConfig":{"subnetIds":["s-1","s-2"],"endpointPrivateAccess":true}}`, &awseks.CreateClusterInput{
			Name: new("aé"), DeletionProtection: new(false),
			Logging:            &ekstypes.Logging{ClusterLogging: []ekstypes.LogSetup{{Types: []ekstypes.LogType{"api"}, Enabled: new(true)}}},
			ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: []string{"s-1", "s-2"}, EndpointPrivateAccess: new(true)},
		}},
		{"an ARN in the path is one segment, unescaped once", "DELETE",
			"/clusters/c/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fmy%2Fpath%2Brole/access-policies/a%252Fb%20c", "",
			&awseks.DisassociateAccessPolicyInput{ClusterName: new("c"), PrincipalArn: new("arn:aws:iam::111122223333:role/my/path+role"), PolicyArn: new("a%2Fb c")}},
		{"query: lists repeat, bools and integers", "GET", "/cluster-versions?clusterVersions=1.30&clusterVersions=1.31&defaultOnly=true&includeAll=false&maxResults=7&nextToken=a%2Bb&X-Other=1", "",
			&awseks.DescribeClusterVersionsInput{ClusterVersions: []string{"1.30", "1.31"}, DefaultOnly: new(true), IncludeAll: new(false), MaxResults: new(int32(7)), NextToken: new("a+b")}},
		{"a member bound to the query does not count in the body", "GET", "/clusters?maxResults=1", `{"maxResults":5}`, &awseks.ListClustersInput{MaxResults: new(int32(1))}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got any
			if w := serve(capture(&got), test.method, test.uri, test.body); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if diff := cmp.Diff(test.want, got, ignore); diff != "" {
				t.Errorf("decoded (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"logging":`, 33) + "{}" + strings.Repeat("}", 33)
	tests := []struct{ name, method, uri, body, want string }{
		{"a number for a string", "POST", "/clusters", `{"name":3}`, "name must be a string, not 3"},
		{"a string for a bool", "POST", "/clusters", `{"resourcesVpcConfig":{"endpointPublicAccess":"yes"}}`, `resourcesVpcConfig.endpointPublicAccess must be true or false, not \"yes\"`},
		{"a list for an object", "POST", "/clusters", `{"logging":[]}`, "logging must be an object, not a list"},
		{"an object for a list", "POST", "/clusters", `{"resourcesVpcConfig":{"subnetIds":{}}}`, "resourcesVpcConfig.subnetIds must be a list, not an object"},
		{"a wrong element", "POST", "/clusters", `{"resourcesVpcConfig":{"subnetIds":["a",true]}}`, "resourcesVpcConfig.subnetIds[1] must be a string, not true"},
		{"a null element", "POST", "/clusters", `{"resourcesVpcConfig":{"subnetIds":[null]}}`, "resourcesVpcConfig.subnetIds[0] must be a value, not null"},
		{"a null map value", "POST", "/clusters", `{"tags":{"k":null}}`, "tags.k must be a value, not null"},
		{"a wrong map value", "POST", "/clusters", `{"tags":{"k":1}}`, "tags.k must be a string, not 1"},
		{"an unknown member", "POST", "/clusters", `{"resourcesVpcConfig":{"moat":true}}`, `Unknown member \"resourcesVpcConfig.moat\"`},
		{"a member twice", "POST", "/clusters", `{"name":"a","name":"b"}`, `the member \"name\" stands twice`},
		{"no JSON", "POST", "/clusters", `name=a`, "Malformed JSON in the request body"},
		{"half a JSON", "POST", "/clusters", `{"name":"a"`, "the JSON ends too early"},
		{"two JSONs", "POST", "/clusters", `{}{}`, "there is more after the JSON value"},
		{"not an object", "POST", "/clusters", `[]`, "the request body must be an object, not a list"},
		{"too deep", "POST", "/clusters", deep, "nested deeper than 32 levels"},
		{"too large", "POST", "/clusters", `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "at most 1048576 are allowed"},
		{"a query integer", "GET", "/clusters?maxResults=ten", "", `maxResults must be an integer of 32 bits, not \"ten\"`},
		{"an integer that is too large", "GET", "/clusters?maxResults=4294967296", "", "maxResults must be an integer of 32 bits"},
		{"a query bool", "GET", "/cluster-versions?includeAll=1", "", "includeAll must be true or false"},
		{"a query parameter twice", "GET", "/clusters?nextToken=a&nextToken=b", "", "nextToken stands 2 times in the query"},
		{"a malformed query", "GET", "/clusters?nextToken=%zz", "", "The query string is malformed"},
		{"a query that is not UTF-8", "GET", "/clusters?nextToken=%ff", "", "nextToken is not valid UTF-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got any
			w := serve(capture(&got), test.method, test.uri, test.body)
			if w.Code != http.StatusBadRequest || w.Header().Get("x-amzn-ErrorType") != "SerializationException" || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("got %d %s %s, want %q", w.Code, w.Header().Get("x-amzn-ErrorType"), w.Body, test.want)
			}
			if got != nil {
				t.Errorf("the handler was called with %+v", got)
			}
		})
	}
}

func TestNoSuchOperation(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"GET /", "GET /clusters/", "PUT /clusters", "GET /clusters/a/b", "DELETE /clusters/c/access-entries/arn:aws:iam::1:role/path/r/access-policies/p",
		"DELETE /clusters//access-entries/p/access-policies/p", "DELETE /clusters/%ff/access-entries/p/access-policies/p"} {
		method, uri, _ := strings.Cut(line, " ")
		var got any
		w := serve(capture(&got), method, uri, "")
		if w.Code != http.StatusNotFound || w.Header().Get("x-amzn-ErrorType") != "UnknownOperationException" || got != nil {
			t.Errorf("%s: %d %s %s", line, w.Code, w.Header(), w.Body)
		}
	}
}

func TestMarshal(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1565806986506)
	cluster := &ekstypes.Cluster{
		Name: new("<a&b>\u2028"), CreatedAt: &at, Tags: map[string]string{}, Status: "ACTIVE",
		ResourcesVpcConfig: &ekstypes.VpcConfigResponse{SecurityGroupIds: []string{}, SubnetIds: []string{"s-1"}},
		ConnectorConfig:    &ekstypes.ConnectorConfigResponse{ActivationExpiry: new(time.Unix(946684800, 0))},
	}
	want := `{"connectorConfig":{"activationExpiry":946684800},"createdAt":1565806986.506,"name":"<a&b>\u2028",` +
		`"resourcesVpcConfig":{"endpointPrivateAccess":false,"endpointPublicAccess":false,"securityGroupIds":[],"subnetIds":["s-1"]},"status":"ACTIVE","tags":{}}`
	if got := string(restjson.Marshal(schemas.Cluster, cluster)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var back ekstypes.Cluster
	if err := restjson.Unmarshal(schemas.Cluster, []byte(want), &back); err != nil || !back.CreatedAt.Equal(at) || *back.Name != *cluster.Name {
		t.Errorf("read back %+v, %v", back, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    error
		status int
		code   string
		body   string
	}{
		{"a modelled exception, with null for what it does not say",
			minato.Errorf(minato.NotFound, "No cluster found for name: %s.", "x").With("clusterName", "x"), 404, "ResourceNotFoundException",
			`{"addonName":null,"clusterName":"x","fargateProfileName":null,"message":"No cluster found for name: x.","nodegroupName":null,"subscriptionId":null}`},
		{"the listener's", minato.Errorf(minato.Unauthenticated, "no signature").Because(aws.MissingToken), 403, "MissingAuthenticationTokenException", `{"message":"no signature"}`},
		{"what is none of the client's business", errors.New("password is hunter2"), 500, "ServerException",
			`{"addonName":null,"clusterName":null,"message":"An internal error has occurred. The server's log has the details under request req-1.","nodegroupName":null,"subscriptionId":null}`},
		{"the same, wrapped in our own", minato.Errorf(minato.Internal, "disk /dev/x: %w", errors.New("broken")), 500, "ServerException",
			`{"addonName":null,"clusterName":null,"message":"An internal error has occurred. The server's log has the details under request req-1.","nodegroupName":null,"subscriptionId":null}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var input any
			call := &aws.Call{RequestID: "req-1"}
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/clusters/x", nil)
			capture(&input).WriteError(w, r.WithContext(aws.WithCall(r.Context(), call)), test.err)
			if w.Code != test.status || w.Header().Get("x-amzn-ErrorType") != test.code || w.Body.String() != test.body {
				t.Errorf("got %d %s\n%s\nwant %d %s\n%s", w.Code, w.Header().Get("x-amzn-ErrorType"), w.Body, test.status, test.code, test.body)
			}
			if call.ErrorCode != test.code || !errors.Is(call.Err, test.err) {
				t.Errorf("the event has %s and %v", call.ErrorCode, call.Err)
			}
		})
	}
}

// FuzzDecode holds that no body makes the codec panic, that what it accepts it can write, and that what it wrote it accepts.
func FuzzDecode(f *testing.F) {
	f.Add(`{"name":"a","tags":{"k":"v"},"resourcesVpcConfig":{"subnetIds":["a"]},"encryptionConfig":[{"provider":{"keyArn":"k"}}]}`)
	f.Add(`{"kubeSchedulerConfig":{"nodeResourcesFit":{"scoringStrategy":{"resources":[{"name":"cpu","weight":1}]}}}}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, body string) {
		var in, again awseks.CreateClusterInput
		if restjson.Unmarshal(schemas.CreateClusterRequest, []byte(body), &in) != nil {
			return
		}
		written := restjson.Marshal(schemas.CreateClusterRequest, &in)
		if err := restjson.Unmarshal(schemas.CreateClusterRequest, written, &again); err != nil {
			t.Fatalf("%s became %s: %v", body, written, err)
		}
	})
}

// FuzzPath holds that no path or query makes the router panic.
func FuzzPath(f *testing.F) {
	f.Add("/clusters/a%2Fb", "maxResults=1&include=all")
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, path, query
		var input any
		w := httptest.NewRecorder()
		capture(&input).ServeHTTP(w, r.WithContext(aws.WithCall(r.Context(), &aws.Call{})))
		if w.Code != http.StatusOK && w.Header().Get("x-amzn-ErrorType") == "" {
			t.Errorf("%d without a code", w.Code)
		}
	})
}
