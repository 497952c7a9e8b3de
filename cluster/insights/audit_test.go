package insights

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// line is an audit event as kube-apiserver writes it, with some of it replaced.
func line(replacements ...string) []byte {
	const event = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"e2f0cd4f-8a04-4b5c-9e4f-7f7b9f6d3f41","stage":"ResponseComplete",` +
		`"requestURI":"/apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas?limit=500","verb":"list","user":{"username":"ops","groups":["system:authenticated"]},` +
		`"sourceIPs":["127.0.0.1"],"userAgent":"kubectl/v1.31.4 (linux/amd64) kubernetes/a78aa47","objectRef":{"resource":"flowschemas","apiGroup":"flowcontrol.apiserver.k8s.io","apiVersion":"v1beta3"},` +
		`"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-10-01T12:00:00.123456Z","stageTimestamp":"2026-10-01T12:00:00.125456Z",` +
		`"annotations":{"authorization.k8s.io/decision":"allow","k8s.io/deprecated":"true","k8s.io/removed-release":"1.32"}}`
	return []byte(strings.NewReplacer(replacements...).Replace(event))
}

// future is an event about an API that came with 1.34.
func future(replacements ...string) []byte {
	event := line("flowcontrol.apiserver.k8s.io", "storage.k8s.io", "v1beta3", "v1", "flowschemas", "volumeattributesclasses",
		`,"k8s.io/deprecated":"true","k8s.io/removed-release":"1.32"`, "")
	return []byte(strings.NewReplacer(replacements...).Replace(string(event)))
}

func TestParseLine(t *testing.T) {
	const plain = `,"k8s.io/deprecated":"true","k8s.io/removed-release":"1.32"`
	for name, test := range map[string]struct {
		line    []byte
		counts  bool
		garbage bool
	}{
		"a list":                              {line: line(), counts: true},
		"one that is not deprecated yet":      {line: line(plain, ""), counts: true},
		"a name that is not there":            {line: line(`"code":200`, `"code":404`), counts: true},
		"an API that is not served":           {line: line(`"code":200`, `"code":404`, plain, "")},
		"a refusal":                           {line: line(`"code":200`, `"code":403`, plain, "")},
		"a watch that begins":                 {line: line(`"list"`, `"watch"`, "ResponseComplete", "ResponseStarted", plain, ""), counts: true},
		"a watch that ends":                   {line: line(`"list"`, `"watch"`)},
		"the newer version":                   {line: line("v1beta3", "v1", plain, "")},
		"another API":                         {line: line("flowcontrol.apiserver.k8s.io", "apps", "v1beta3", "v1", "flowschemas", "deployments", plain, "")},
		"deprecated, but it stays":            {line: line("/apis/flowcontrol.apiserver.k8s.io/v1beta3", "/api/v1", "flowschemas", "endpoints", `"apiGroup":"flowcontrol.apiserver.k8s.io","apiVersion":"v1beta3"`, `"apiVersion":"v1"`)},
		"a custom resource":                   {line: line("flowcontrol.apiserver.k8s.io", "shop.example.com", "v1beta3", "v1alpha1", "flowschemas", "carts", "1.32", ""), counts: true},
		"a custom resource of *.k8s.io":       {line: line("flowcontrol.apiserver.k8s.io", "gateway.networking.k8s.io", "v1beta3", "v1beta1", "flowschemas", "httproutes", "1.32", ""), counts: true},
		"a custom resource that is fine":      {line: line("flowcontrol.apiserver.k8s.io", "shop.example.com", "v1beta3", "v1", "flowschemas", "carts", plain, "")},
		"one that earlier minors lack":        {line: future(), counts: true},
		"a watch of it":                       {line: future(`"list"`, `"watch"`, "ResponseComplete", "ResponseStarted"), counts: true},
		"a kubelet that calls it":             {line: future(`"ops"`, `"system:node:n1"`)},
		"a minor that does not serve it":      {line: future(`"code":200`, `"code":404`)},
		"its neighbour":                       {line: future("volumeattributesclasses", "storageclasses")},
		"a name like it":                      {line: future("/volumeattributesclasses", "/storageclasses/volumeattributesclasses", `"resource":"volumeattributesclasses"`, `"resource":"storageclasses"`)},
		"the garbage collector":               {line: line(`"ops"`, `"system:serviceaccount:kube-system:generic-garbage-collector"`)},
		"the controller manager":              {line: line(`"ops"`, `"system:kube-controller-manager"`)},
		"Minato's own checks":                 {line: future(`"ops"`, `"eks:cluster-bootstrap"`, "kubectl/v1.31.4 (linux/amd64) kubernetes/a78aa47", "minato")},
		"who calls itself Minato":             {line: future("kubectl/v1.31.4 (linux/amd64) kubernetes/a78aa47", "minato"), counts: true},
		"a controller of it":                  {line: line(`"ops"`, `"system:serviceaccount:kube-system:job-controller"`, "kubectl/", "kube-controller-manager/")},
		"who calls itself controller manager": {line: line("kubectl/", "kube-controller-manager/"), counts: true},
		"the path in a user agent":            {line: line("v1beta3", "v1", plain, "", "kubectl/v1.31.4", `\"requestURI\":\"/apis/flowcontrol.apiserver.k8s.io/v1beta3/x`)},
		"no time":                             {line: line("2026-10-01T12:00:00.123456Z", "yesterday")},
		"an empty line":                       {line: nil},
		"no JSON":                             {line: []byte("panic: runtime error"), garbage: true},
		"other JSON":                          {line: []byte(`{"requestURI":"/apis/apps/v1/deployments"}`), garbage: true},
		"braces":                              {line: []byte(`{no JSON}`), garbage: true},
		"half an event":                       {line: line()[:300], garbage: true},
		"the other half":                      {line: line()[300:], garbage: true},
		"an event of the wrong shape":         {line: line(`"verb":"list"`, `"verb":{}`), garbage: true},
		"a long user agent":                   {line: line("kubectl/", strings.Repeat("é", 2000)), counts: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, counts, err := parseLine(test.line)
			if counts != test.counts || errors.Is(err, errNotEvent) != test.garbage {
				t.Errorf("counts %v, error %v; want %v, garbage %v", counts, err, test.counts, test.garbage)
			}
			if counts && (c.at.IsZero() || c.agent == "" || len(c.agent) > maxAgent || c.api.Resource == "") {
				t.Errorf("the call is %+v", c)
			}
		})
	}
}

func TestLinesOfOtherAPIsAllocateNothing(t *testing.T) {
	l := line("v1beta3", "v1", `,"k8s.io/deprecated":"true"`, "")
	if n := testing.AllocsPerRun(100, func() { _, _, _ = parseLine(l) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add(line())
	f.Add(line("/apis/", "/apis//"))
	f.Add([]byte(`{"requestURI":"/apis/}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, counts, err := parseLine(b)
		if counts && (err != nil || c.api.Group == "" || len(c.agent) > maxAgent) {
			t.Errorf("%+v, %v of %q", c, err, b)
		}
		if err != nil && bytes.Equal(bytes.TrimSpace(b), line()) {
			t.Error("an event is garbage")
		}
	})
}
