package query_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/query"
)

type tag struct{ Key, Value string }

type filter struct {
	Name  string
	Value []string
}

type input struct {
	RoleName string
	MaxItems *int32
	Dry      bool `query:"DryRun"`
	Since    time.Time
	Tags     []tag
	Names    []string
	Filter   []filter
	Options  map[string]string
	Policy   *string
}

type output struct {
	Name        string
	ARN         string `query:"Arn"`
	Created     time.Time
	Count       int
	IsTruncated bool
	Marker      *string
	Tags        []tag
	Empty       []string
	Options     map[string]string
}

// serve runs one request against an API with three operations: Echo, whose input it returns, Sample and Fail.
func serve(t *testing.T, dialect query.Dialect, r *http.Request, fail error) (*input, *httptest.ResponseRecorder, *aws.Call) {
	t.Helper()
	var got *input
	api := query.New(query.Definition{
		SigningName: "test", Version: "2020-01-01", Namespace: "https://test/doc/", Dialect: dialect,
		Refused: []string{"CreateMoon"},
		Operations: []query.Operation{
			query.Op("Echo", func(_ context.Context, in *input) (*struct{}, error) {
				got = in
				return nil, nil
			}),
			query.Op("Sample", func(context.Context, *struct{}) (*output, error) {
				return &output{
					Name: "a<b", ARN: "arn", Created: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), Count: 0,
					Tags: []tag{{"k", "v"}}, Empty: []string{}, Options: map[string]string{"b": "2", "a": "1"},
				}, nil
			}),
			query.Op("Fail", func(context.Context, *struct{}) (*struct{}, error) { return nil, fail }),
		},
		ErrorCode: query.Codes{minato.NotFound: {Name: "NoSuchEntity", Status: 404}}.ErrorCode,
	})
	call := &aws.Call{RequestID: "rid"}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r.WithContext(aws.WithCall(r.Context(), call)))
	return got, w, call
}

func post(form string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return r
}

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	t.Parallel()
	const head = "Action=Echo&Version=2020-01-01&"
	for name, tc := range map[string]struct {
		form string
		want input
	}{
		"scalars": {"RoleName=a%2Fb+c&MaxItems=7&DryRun=true&Since=2026-01-02T03:04:05Z&Policy=",
			input{RoleName: "a/b c", MaxItems: ptr(int32(7)), Dry: true, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Policy: ptr("")}},
		"member list":    {"Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.2.Key=b", input{Tags: []tag{{"a", "1"}, {"b", ""}}}},
		"flat list":      {"Names.1=a&Names.2=b", input{Names: []string{"a", "b"}}},
		"order by index": {"Names.10=c&Names.9=b&Names.2=a", input{Names: []string{"a", "b", "c"}}},
		"empty list":     {"Names=", input{Names: []string{}}},
		"nested list":    {"Filter.1.Name=vpc-id&Filter.1.Value.1=x&Filter.1.Value.2=y", input{Filter: []filter{{"vpc-id", []string{"x", "y"}}}}},
		"map":            {"Options.entry.1.key=k&Options.entry.1.value=v&Options.entry.2.key=l", input{Options: map[string]string{"k": "v", "l": ""}}},
		"unknown":        {"RoleName=r&Nobody.knows.1=x", input{RoleName: "r"}},
		"odd indexes":    {"Names.-1=a&Names.01=b&Names.99999999999999999999=c&Names.1=d", input{Names: []string{"d"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []*http.Request{post(head + tc.form), httptest.NewRequest("GET", "/?"+head+tc.form, nil)} {
				got, w, call := serve(t, query.AWSQuery, r, nil)
				if got == nil {
					t.Fatalf("%s was refused: %s", r.Method, w.Body)
				}
				if diff := cmp.Diff(tc.want, *got); diff != "" {
					t.Errorf("%s (-want +got)\n%s", r.Method, diff)
				}
				if call.Action != "test:Echo" {
					t.Errorf("the action noted is %q", call.Action)
				}
			}
		})
	}
}

// many is a form of n parameters.
func many(n int) string {
	var form strings.Builder
	for i := range n {
		fmt.Fprintf(&form, "a.%d=&", i)
	}
	return form.String()
}

func TestRefusedForms(t *testing.T) {
	t.Parallel()
	const head = "Action=Echo&Version=2020-01-01&"
	for name, tc := range map[string]struct {
		form, code, says string
		status           int
	}{
		"no action":         {"RoleName=a", "MissingAction", "Action", 400},
		"unknown action":    {"Action=Dance&Version=2020-01-01", "InvalidAction", "Could not find operation Dance for version 2020-01-01", 400},
		"no version":        {"Action=Echo", "InvalidAction", "NO_VERSION_SPECIFIED", 400},
		"wrong version":     {"Action=Echo&Version=1999-01-01", "InvalidAction", "1999-01-01", 400},
		"refused action":    {"Action=CreateMoon&Version=2020-01-01", "UnsupportedOperation", "test:CreateMoon", 400},
		"not an integer":    {head + "MaxItems=seven", "ValidationError", `"seven"`, 400},
		"integer too large": {head + "MaxItems=3000000000", "ValidationError", "MaxItems", 400},
		"not a bool":        {head + "DryRun=maybe", "ValidationError", "true or false", 400},
		"not a time":        {head + "Since=yesterday", "ValidationError", "yesterday", 400},
		"twice":             {head + "RoleName=a&RoleName=b", "ValidationError", "more than once", 400},
		"bad escape":        {head + "RoleName=%zz", "ValidationError", "not well encoded", 400},
		"too deep":          {head + strings.Repeat("a.", 50) + "=1", "ValidationError", "parts", 400},
		"too many":          {head + many(5001), "ValidationError", "more than 5000", 400},
		"map without key":   {head + "Options.entry.1.value=v", "ValidationError", "no key", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, w, call := serve(t, query.AWSQuery, post(tc.form), nil)
			if got != nil || w.Code != tc.status || call.ErrorCode != tc.code ||
				!strings.Contains(w.Body.String(), "<Code>"+tc.code+"</Code>") || !strings.Contains(call.Err.Error(), tc.says) {
				t.Errorf("status %d, code %s, error %v\n%s\nwant %d %s saying %s", w.Code, call.ErrorCode, call.Err, w.Body, tc.status, tc.code, tc.says)
			}
		})
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	const header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	for name, tc := range map[string]struct {
		dialect query.Dialect
		action  string
		accept  string
		want    string
	}{
		"awsQuery": {query.AWSQuery, "Sample", "", header + `<SampleResponse xmlns="https://test/doc/"><SampleResult><Name>a&lt;b</Name><Arn>arn</Arn>` +
			`<Created>2026-01-02T03:04:05Z</Created><Count>0</Count><IsTruncated>false</IsTruncated><Tags><member><Key>k</Key><Value>v</Value></member></Tags><Empty></Empty>` +
			`<Options><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Options></SampleResult>` +
			`<ResponseMetadata><RequestId>rid</RequestId></ResponseMetadata></SampleResponse>`},
		"awsQuery without a result": {query.AWSQuery, "Echo", "", header +
			`<EchoResponse xmlns="https://test/doc/"><ResponseMetadata><RequestId>rid</RequestId></ResponseMetadata></EchoResponse>`},
		"json": {query.AWSQuery, "Sample", "application/json", `{"SampleResponse":{"ResponseMetadata":{"RequestId":"rid"},"SampleResult":{"Arn":"arn","Count":0,"Created":1767323045,` +
			`"Empty":[],"IsTruncated":false,"Name":"a\u003cb","Options":{"a":"1","b":"2"},"Tags":[{"Key":"k","Value":"v"}]}}}` + "\n"},
		"ec2Query": {query.EC2Query, "Sample", "application/json", header + `<SampleResponse xmlns="https://test/doc/"><requestId>rid</requestId><Name>a&lt;b</Name><Arn>arn</Arn>` +
			`<Created>2026-01-02T03:04:05Z</Created><Count>0</Count><IsTruncated>false</IsTruncated><Tags><item><Key>k</Key><Value>v</Value></item></Tags><Empty></Empty>` +
			`<Options><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Options></SampleResponse>`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := post("Action=" + tc.action + "&Version=2020-01-01")
			r.Header.Set("Accept", tc.accept)
			_, w, _ := serve(t, tc.dialect, r, nil)
			if diff := cmp.Diff(tc.want, w.Body.String()); diff != "" || w.Code != 200 {
				t.Errorf("status %d (-want +got)\n%s", w.Code, diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	const header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	gone := minato.Errorf(minato.NotFound, "The role with name x cannot be found.")
	secret := minato.Errorf(minato.Internal, "disk sdb is on fire")
	internal := "An internal error has occurred. The server&#39;s log has the details under request rid."
	for name, tc := range map[string]struct {
		dialect query.Dialect
		accept  string
		err     error
		status  int
		want    string
	}{
		"awsQuery": {query.AWSQuery, "", gone, 404, header + `<ErrorResponse xmlns="https://test/doc/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>` +
			`<Message>The role with name x cannot be found.</Message></Error><RequestId>rid</RequestId></ErrorResponse>`},
		"ec2Query": {query.EC2Query, "", gone, 404, header + `<Response><Errors><Error><Code>NoSuchEntity</Code>` +
			`<Message>The role with name x cannot be found.</Message></Error></Errors><RequestID>rid</RequestID></Response>`},
		"json": {query.AWSQuery, "application/json", gone, 404,
			`{"Error":{"Code":"NoSuchEntity","Message":"The role with name x cannot be found.","Type":"Sender"},"RequestId":"rid"}` + "\n"},
		"internal": {query.AWSQuery, "", secret, 500, header + `<ErrorResponse xmlns="https://test/doc/"><Error><Type>Receiver</Type><Code>InternalFailure</Code>` +
			`<Message>` + internal + `</Message></Error><RequestId>rid</RequestId></ErrorResponse>`},
		"unknown": {query.EC2Query, "", context.DeadlineExceeded, 500, header + `<Response><Errors><Error><Code>InternalFailure</Code>` +
			`<Message>` + internal + `</Message></Error></Errors><RequestID>rid</RequestID></Response>`},
		"reason": {query.EC2Query, "", minato.Errorf(minato.NotFound, "m").Because("InvalidVpcID.NotFound"), 404, header +
			`<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>m</Message></Error></Errors><RequestID>rid</RequestID></Response>`},
		"throttled": {query.EC2Query, "", minato.Errorf(minato.Throttled, "slow down").Because(aws.Throttling), 503, header +
			`<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow down</Message></Error></Errors><RequestID>rid</RequestID></Response>`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := post("Action=Fail&Version=2020-01-01")
			r.Header.Set("Accept", tc.accept)
			_, w, call := serve(t, tc.dialect, r, tc.err)
			if diff := cmp.Diff(tc.want, w.Body.String()); diff != "" || w.Code != tc.status {
				t.Errorf("status %d, want %d (-want +got)\n%s", w.Code, tc.status, diff)
			}
			if !errors.Is(call.Err, tc.err) {
				t.Errorf("the log would get %v", call.Err)
			}
		})
	}
}

func TestBadDefinitionsPanic(t *testing.T) {
	t.Parallel()
	type recursive struct{ Next *recursive }
	type odd struct{ Ch chan int }
	op := query.Op("A", func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	for name, define := range map[string]func(){
		"twice":            func() { query.New(query.Definition{Operations: []query.Operation{op, op}}) },
		"done and refused": func() { query.New(query.Definition{Operations: []query.Operation{op}, Refused: []string{"A"}}) },
		"odd type":         func() { query.Op("B", func(context.Context, *odd) (*struct{}, error) { return nil, nil }) },
		"embedded pointer": func() {
			type embedding struct{ *tag }
			query.Op("B", func(context.Context, *embedding) (*struct{}, error) { return nil, nil })
		},
		"recursive type": func() { query.Op("B", func(context.Context, *struct{}) (*recursive, error) { return nil, nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("it did not panic")
				}
			}()
			define()
		})
	}
}
