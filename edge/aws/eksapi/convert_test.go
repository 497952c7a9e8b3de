package eksapi

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"
	smithy "github.com/aws/smithy-go"

	"minato.dev/minato/edge/aws/restjson"
)

// No member may be lost between the wire and the service, or a client would believe that it got what it asked for: neither
// today nor when the SDK's next version has a new one. Each member of AWS's own sample request, sent alone, must make a
// difference to what the service is asked.
func TestConversionsLoseNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		operation string
		schema    *smithy.Schema
		convert   func(t *testing.T, body []byte) any
	}{
		{"CreateCluster", schemas.CreateClusterRequest, func(t *testing.T, body []byte) any {
			var in awseks.CreateClusterInput
			decode(t, schemas.CreateClusterRequest, body, &in)
			return createRequest(&in)
		}},
		{"UpdateClusterConfig", schemas.UpdateClusterConfigRequest, func(t *testing.T, body []byte) any {
			var in awseks.UpdateClusterConfigInput
			decode(t, schemas.UpdateClusterConfigRequest, body, &in)
			return updateRequest(&in)
		}},
	}
	dir := snapshotDir(t, "request_snapshot")
	for _, test := range tests {
		sample := object(t, readSnapshot(t, filepath.Join(dir, test.operation+".request.snap")).body)
		count := 0
		eachLeaf(sample, func(leaf any, path string) {
			count++
			body, err := json.Marshal(leaf)
			if err != nil {
				t.Fatal(err)
			}
			if reflect.DeepEqual(test.convert(t, body), test.convert(t, hollow(t, body))) {
				t.Errorf("%s: the member %s makes no difference", test.operation, path)
			}
		})
		if count < len(test.schema.Members()) {
			t.Errorf("%s: tried %d members of %d", test.operation, count, len(test.schema.Members()))
		}
	}
}

func decode(t *testing.T, s *smithy.Schema, body []byte, in any) {
	t.Helper()
	if err := restjson.Unmarshal(s, body, in); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
}

// eachLeaf calls f with an object that holds nothing but one member of sample, for each that is not an object itself.
func eachLeaf(sample map[string]any, f func(leaf any, path string)) {
	for name, v := range sample {
		if inner, ok := v.(map[string]any); ok {
			eachLeaf(inner, func(leaf any, path string) { f(map[string]any{name: leaf}, name+"."+path) })
		} else {
			f(map[string]any{name: v}, name)
		}
	}
}

// hollow is an object without its one leaf: {"a":{"b":1}} becomes {"a":{}}.
func hollow(t *testing.T, body []byte) []byte {
	t.Helper()
	var strip func(map[string]any)
	strip = func(m map[string]any) {
		for name, v := range m {
			if inner, ok := v.(map[string]any); ok {
				strip(inner)
			} else {
				delete(m, name)
			}
		}
	}
	m := object(t, body)
	strip(m)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
