package home_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"minato.dev/minato/internal/home"
)

func TestConfigIsKept(t *testing.T) {
	d := home.Dir(t.TempDir())
	if _, err := d.LoadConfig(); !errors.Is(err, fs.ErrNotExist) || d.Exists() {
		t.Fatalf("a new home has a configuration: %v", err)
	}
	in := home.Config{Listen: "127.0.0.1:4566", TLSPort: 4567, Accounts: []string{"111122223333"}, ClockOffset: time.Hour}
	if err := d.SaveConfig(in); err != nil {
		t.Fatal(err)
	}
	out, err := d.LoadConfig()
	if err != nil || out.Listen != in.Listen || out.ClockOffset != in.ClockOffset || !d.Exists() {
		t.Errorf("got %+v, %v", out, err)
	}
	if err := os.WriteFile(d.Path("config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LoadConfig(); err == nil {
		t.Error("a broken configuration was taken")
	}
}

func TestEndpoint(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:4566": "http://127.0.0.1:4566",
		"localhost:4566": "http://localhost:4566",
		"[::1]:4566":     "http://[::1]:4566",
		"0.0.0.0:443":    "https://minato.example:443",
		"10.0.0.1:4566":  "https://minato.example:4566",
	} {
		c := home.Config{Listen: listen, AdvertiseAddress: []string{"minato.example"}}
		if got := c.EndpointURL(); got != want {
			t.Errorf("listening on %s: got %s, want %s", listen, got, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	d := home.Dir(t.TempDir())
	if keys, err := d.LoadCredentials(); err != nil || len(keys) != 0 {
		t.Fatalf("a new home has keys %v, %v", keys, err)
	}
	in := map[string]home.AccessKey{"111122223333": {AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"}}
	if err := d.SaveCredentials(in); err != nil {
		t.Fatal(err)
	}
	if keys, err := d.LoadCredentials(); err != nil || keys["111122223333"] != in["111122223333"] {
		t.Errorf("got %v, %v", keys, err)
	}
	if info, err := os.Stat(d.Credentials()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keys' file: %v, %v", info.Mode().Perm(), err)
	}
}

func TestOneServerPerHome(t *testing.T) {
	d := home.Dir(t.TempDir())
	release, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Acquire(); !errors.Is(err, home.ErrLocked) {
		t.Fatalf("a second server got the home: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got := make(chan error, 1)
	go func() {
		again, err := d.AcquireWhenFree(ctx)
		if err == nil {
			again()
		}
		got <- err
	}()
	release()
	if err := <-got; err != nil {
		t.Errorf("the home was not free again: %v", err)
	}
}

// TestHomeOfEverybody is that a folder which any user can write to is not taken for a home.
func TestHomeOfEverybody(t *testing.T) {
	t.Parallel()
	d := home.Dir(t.TempDir())
	if err := os.Chmod(string(d), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if release, err := d.Acquire(); err == nil {
		release()
		t.Error("it was taken")
	}
	if err := os.Chmod(string(d), 0o755); err != nil {
		t.Fatal(err)
	}
	release, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	release()
}
