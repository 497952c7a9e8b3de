package podagent

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRelay has pods reach an API that is served over TLS in plain text, with their requests as they are.
func TestRelay(t *testing.T) {
	t.Parallel()
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Host+" "+r.URL.EscapedPath()+" "+string(b))
	}))
	t.Cleanup(api.Close)
	trust := api.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context) (*tls.Conn, error) {
		c, err := (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", api.Listener.Addr().String())
		if err != nil {
			return nil, err
		}
		return c.(*tls.Conn), nil
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (&relay{dial: dial, log: slog.New(slog.DiscardHandler)}).serve(ctx, l) }()

	body := strings.Repeat("x", 1<<20)
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+l.Addr().String()+"/a%2Fb//c", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if want := l.Addr().String() + " /a%2Fb//c " + body; err != nil || string(got) != want {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	// A client that says that it has no more still gets its answer.
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(c, "GET /half HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if err = errors.Join(err, c.(*net.TCPConn).CloseWrite()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "h /half " {
		t.Errorf("%q, %v", got, err)
	}
	_, _ = resp.Body.Close(), c.Close()
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the relay does not end")
	}
}

// TestFolderKey reads a Secret's files, anew after a while.
func TestFolderKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := FolderKey(dir)
	if _, err := key(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no files: %v", err)
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(keyIDFile, "AKIA\n")
	write(secretFile, " \n")
	if _, err := key(t.Context()); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty file: %v", err)
	}
	write(secretFile, "s3cret")
	got, err := key(t.Context())
	if err != nil || got.AccessKeyID != "AKIA" || got.SecretAccessKey != "s3cret" || time.Until(got.Expires) > keyLifeMargin+keyReread {
		t.Errorf("%+v, %v", got, err)
	}
}
