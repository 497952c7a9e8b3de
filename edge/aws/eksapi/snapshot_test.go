package eksapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	sdkaws "github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	smithy "github.com/aws/smithy-go"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/edge/aws/restjson"
)

// The corpus is AWS's own: the SDK module ships what its client sends for every operation with every member set, and what
// it is answered. Each snapshot must go through our codec and the SDK's, one after the other, and come out as it went in.

// snapshotDir is a folder of the SDK module as the go command has it.
func snapshotDir(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/eks").Output()
	if err != nil {
		t.Fatalf("finding the SDK module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), name)
}

// snapshot is a request or a response on the wire.
type snapshot struct {
	start  string // "POST /clusters", or the status code
	header http.Header
	body   []byte
}

func readSnapshot(t *testing.T, path string) snapshot {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(bytes.NewReader(raw))
	start, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	s := snapshot{start: strings.TrimSpace(start), header: http.Header{}}
	if strings.Contains(s.start, " ") {
		_, _ = r.ReadString('\n') // requests have an empty line before their headers
	}
	for {
		line, err := r.ReadString('\n')
		line = strings.TrimSpace(line)
		if line == "" || err != nil {
			break
		}
		k, v, _ := strings.Cut(line, ": ")
		s.header.Add(k, v)
	}
	if s.body, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return s
}

// answering is the EKS API with every operation answered by handle.
func answering(handle func(ctx context.Context, in any) (any, error)) aws.API {
	def := definition(nil)
	for i, op := range def.Operations {
		def.Operations[i] = op.Answering(handle)
	}
	return restjson.New(def)
}

// serve lets an API answer a request, as behind the listener.
func serve(api http.Handler, r *http.Request, call *aws.Call) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r.WithContext(aws.WithCall(r.Context(), call)))
	return w
}

// roundTrip is an SDK client's transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) { return f(r) }

// callSDK calls the operation of the SDK's client that an input belongs to.
func callSDK(transport roundTrip, operation string, in any) (out any, err error) {
	client := awseks.New(awseks.Options{
		Region: "us-east-1", HTTPClient: transport, BaseEndpoint: new("http://eks.test"), Retryer: sdkaws.NopRetryer{},
		Credentials: sdkaws.CredentialsProviderFunc(func(context.Context) (sdkaws.Credentials, error) {
			return sdkaws.Credentials{AccessKeyID: "AKIATEST", SecretAccessKey: "secret"}, nil
		}),
	})
	result := reflect.ValueOf(client).MethodByName(operation).Call([]reflect.Value{reflect.ValueOf(context.Background()), reflect.ValueOf(in)})
	err, _ = result[1].Interface().(error)
	return result[0].Interface(), err
}

func operationNames() []string {
	var names []string
	for _, op := range definition(nil).Operations {
		names = append(names, op.Name)
	}
	slices.Sort(names)
	return names
}

func TestEveryOperationOfTheSDKHasARow(t *testing.T) {
	t.Parallel()
	var methods []string
	for m := range reflect.TypeFor[*awseks.Client]().Methods() {
		if m.Name != "Options" {
			methods = append(methods, m.Name)
		}
	}
	slices.Sort(methods)
	if got := operationNames(); !slices.Equal(got, methods) || len(got) != 70 {
		t.Errorf("the table has %d operations\n%v\nthe SDK has %d\n%v", len(got), got, len(methods), methods)
	}
}

func TestRequestSnapshots(t *testing.T) {
	t.Parallel()
	dir := snapshotDir(t, "request_snapshot")
	for _, name := range operationNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := readSnapshot(t, filepath.Join(dir, name+".request.snap"))
			method, uri, _ := strings.Cut(want.start, " ")
			var decoded any
			api := answering(func(_ context.Context, in any) (any, error) {
				decoded = in
				return nil, errors.New("seen enough")
			})
			call := &aws.Call{}
			w := serve(api, httptest.NewRequest(method, uri, bytes.NewReader(want.body)), call)
			if decoded == nil || call.Action != "eks:"+name {
				t.Fatalf("not decoded: action %q, answer %s", call.Action, w.Body)
			}
			var got snapshot
			_, _ = callSDK(func(r *http.Request) (*http.Response, error) {
				got.start = r.Method + " " + r.URL.RequestURI()
				if r.Body != nil {
					got.body, _ = io.ReadAll(r.Body)
				}
				return nil, errors.New("seen enough")
			}, name, decoded)
			if got.start != want.start || !reflect.DeepEqual(object(t, got.body), object(t, want.body)) {
				t.Errorf("decoded and sent again\n%s\n%s\nwant\n%s\n%s", got.start, got.body, want.start, want.body)
			}
		})
	}
}

func TestResponseSnapshots(t *testing.T) {
	t.Parallel()
	requests, responses := snapshotDir(t, "request_snapshot"), snapshotDir(t, "response_snapshot")
	for _, name := range operationNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := readSnapshot(t, filepath.Join(requests, name+".request.snap"))
			want := readSnapshot(t, filepath.Join(responses, name+".response.snap"))
			method, uri, _ := strings.Cut(request.start, " ")
			api := answering(func(_ context.Context, in any) (any, error) {
				return callSDK(want.respond, name, in)
			})
			w := serve(api, httptest.NewRequest(method, uri, bytes.NewReader(request.body)), &aws.Call{})
			if strconv.Itoa(w.Code) != want.start || !bytes.Equal(w.Body.Bytes(), want.body) || w.Header().Get("Content-Type") != want.header.Get("Content-Type") {
				t.Errorf("got %d %v\n%s\nwant %s %v\n%s", w.Code, w.Header(), w.Body, want.start, want.header, want.body)
			}
		})
	}
}

// respond answers an SDK client with the snapshot.
func (s snapshot) respond(r *http.Request) (*http.Response, error) {
	status, err := strconv.Atoi(s.start)
	return &http.Response{StatusCode: status, Header: s.header, Body: io.NopCloser(bytes.NewReader(s.body)), Request: r}, err
}

func TestErrorSnapshots(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(snapshotDir(t, "response_snapshot"), "*.error.snap"))
	if err != nil || len(paths) != 15 || len(awseks.TypeRegistry.Entries) < 15 {
		t.Fatalf("%d error snapshots, want 15; %v", len(paths), err)
	}
	for _, path := range paths {
		want := readSnapshot(t, path)
		members := object(t, want.body)
		name, _ := members["__type"].(string)
		delete(members, "__type")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message, _ := members["message"].(string)
			failure := minato.Errorf(minato.Invalid, "%s", message)
			for k, v := range members {
				switch v := v.(type) {
				case string:
					_ = failure.With(k, v)
				case []any:
					_ = failure.With(k, fmt.Sprintf("%s,%s", v...))
				}
			}
			def := definition(nil)
			def.ErrorCode = func(string, error) string { return name }
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/clusters", nil)
			restjson.New(def).WriteError(w, r.WithContext(aws.WithCall(r.Context(), &aws.Call{})), failure)
			if strconv.Itoa(w.Code) != want.start || w.Header().Get("x-amzn-ErrorType") != name || !reflect.DeepEqual(object(t, w.Body.Bytes()), members) {
				t.Errorf("got %d %v\n%s\nwant %s\n%s", w.Code, w.Header(), w.Body, want.start, want.body)
			}
			_, err := callSDK(func(*http.Request) (*http.Response, error) { return w.Result(), nil }, "ListClusters", &awseks.ListClustersInput{})
			if coded, ok := errors.AsType[smithy.APIError](err); !ok || coded.ErrorCode() != name || coded.ErrorMessage() != message {
				t.Errorf("the SDK's client understands %v", err)
			}
		})
	}
}

// object parses a JSON object; no bytes at all are an empty one.
func object(t *testing.T, body []byte) map[string]any {
	t.Helper()
	members := map[string]any{}
	if len(body) == 0 {
		return members
	}
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return members
}
