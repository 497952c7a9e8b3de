package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"minato.dev/minato/engine/imagestore"
	"minato.dev/minato/internal/testenv"
)

// registryHost is where the registry of a home listens.
func registryHost(t *testing.T, e *testenv.Env) string {
	t.Helper()
	cfg, err := e.Home.LoadConfig()
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strconv.Itoa(cfg.RegistryPort)
}

// login is what docker would be given.
func login(c *testenv.Client) *authn.Basic {
	return &authn.Basic{Username: c.Getenv("AWS_ACCESS_KEY_ID"), Password: c.Getenv("AWS_SECRET_ACCESS_KEY")}
}

// TestRegistry pushes with an access key and pulls without, also while the API is away.
func TestRegistry(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	admin, host := e.Admin(t), registryHost(t, e)
	img, err := random.Image(100<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Push(img, host+"/team/app:v1", crane.WithAuth(login(admin)), crane.Insecure); err != nil {
		t.Fatal(err)
	}
	admin.AWS(t, "iam", "create-user", "--user-name", "guest")
	key := strings.Fields(admin.AWS(t, "iam", "create-access-key", "--user-name", "guest",
		"--query", "AccessKey.[AccessKeyId,SecretAccessKey]", "--output", "text"))
	guest := &authn.Basic{Username: key[0], Password: key[1]}
	err = crane.Push(img, host+"/team/app:v2", crane.WithAuth(guest), crane.Insecure)
	if err == nil || !strings.Contains(err.Error(), "user/guest is not authorized to perform: ecr:PutImage on resource: arn:aws:ecr:us-east-1:") {
		t.Errorf("a push without a policy: %v", err)
	}

	e.Kill(t)
	if err := crane.Push(img, host+"/team/app:v3", crane.WithAuth(login(admin)), crane.Insecure); err != nil {
		t.Errorf("a push without the API: %v", err)
	}
	for _, name := range []string{"team/app:v1", "team/app:v3", "echo", "eks/coredns:v1.15.0", "eks/vpc-cni:v1.0.0"} {
		got, err := crane.Pull(host+"/"+name, crane.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := readLayers(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	e.Up(t)
}

// readLayers reads every layer, which checks its size and digest.
func readLayers(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		content, err := l.Compressed()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return err
		}
		if err := content.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestRegistryIsKilled ends the registry in the middle of an upload, which then goes on where it was.
func TestRegistryIsKilled(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	who, host := login(e.Admin(t)), registryHost(t, e)
	img, err := random.Image(1<<10, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Push(img, host+"/app:before", crane.WithAuth(who), crane.Insecure); err != nil {
		t.Fatal(err)
	}
	blob := bytes.Repeat([]byte("harbour "), 1<<17)
	send := func(method, url string, body []byte) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(who.Username, who.Password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return resp
	}
	at := "http://" + host + send(http.MethodPost, "http://"+host+"/v2/app/blobs/uploads/", nil).Header.Get("Location")
	if resp := send(http.MethodPatch, at, blob[:len(blob)/2]); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("PATCH: %s", resp.Status)
	}
	victim := e.Status(t).All()["registry"]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatalf("killing the registry, process %d: %v", victim.PID, err)
	}
	testenv.Eventually(t, func() error {
		if p := e.Status(t).All()["registry"]; p.PID == victim.PID || p.State != "running" {
			return fmt.Errorf("the registry is %+v", p)
		}
		return nil
	})

	if _, err := crane.Digest(host+"/app:before", crane.Insecure); err != nil {
		t.Error(err)
	}
	resp := send(http.MethodGet, at, nil)
	if want := fmt.Sprintf("0-%d", len(blob)/2-1); resp.Header.Get("Range") != want {
		t.Fatalf("after the restart %s has %s, want %s", at, resp.Header.Get("Range"), want)
	}
	if resp := send(http.MethodPut, at+"?digest="+string(imagestore.DigestOf(blob)), blob[len(blob)/2:]); resp.StatusCode != http.StatusCreated {
		t.Errorf("PUT: %s", resp.Status)
	}
}
