// Package registry speaks the OCI distribution protocol (version 1.1): nodes pull images, users push them with docker, crane,
// skopeo and the like. The images that Minato is built with are served too, packed as they are asked for.
//
// Anybody who reaches the listener, which is on loopback and inside VPCs, may pull. Pushing takes an access key of IAM and the
// permission ecr:PutImage on the repository, deleting ecr:BatchDeleteImage.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"minato.dev/minato"
	"minato.dev/minato/engine/imagestore"
	"minato.dev/minato/service/iam"
)

// Builtin are the images that Minato is built with. Nobody may write to their repositories.
type Builtin interface {
	Names() []string
	Has(name string) bool
	Tags(name string) []string
	// Image packs one; the error says what is not built.
	Image(name, tag string) (v1.Image, error)
	// All packs those of a repository that can be packed.
	All(name string) []v1.Image
}

// Config is what a Server is made of.
type Config struct {
	Addr        string // host:port
	Region      minato.Region
	Images      *imagestore.Store
	Builtin     Builtin
	Credentials iam.Credentials
	Authorize   iam.Authorize
	// Ready is nil once pushes can be authorized, else what is missing.
	Ready func() error
	Log   *slog.Logger
}

// collectEvery is how often blobs that nothing needs are looked for.
const collectEvery = time.Hour

// idle is how long a client may be silent in the middle of a transfer.
const idle = time.Minute

// Server is a registry.
type Server struct{ cfg Config }

// New makes a Server. It does nothing before Run.
func New(c Config) *Server { return &Server{cfg: c} }

// Run listens and serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	go s.collect(ctx)
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("registry: %w", err)
	}
	<-ended
	return nil
}

// collect removes what nothing needs, now and every hour.
func (s *Server) collect(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		c, err := s.cfg.Images.Collect()
		switch {
		case err != nil:
			s.cfg.Log.Error("collecting unused blobs failed", "error", err)
		case c.Blobs+c.Uploads > 0:
			s.cfg.Log.Info("collected unused blobs", "blobs", c.Blobs, "uploads", c.Uploads, "bytes", c.Bytes)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Handler is the protocol, and /healthz and /readyz.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.cfg.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/v2/", s.serve)
	return mux
}
