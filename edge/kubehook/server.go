package kubehook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/podidentity"
	"minato.dev/minato/engine/store"
)

// Config says where a Server listens, whom it believes and who decides.
type Config struct {
	// Addr is a loopback host:port.
	Addr string
	// Certificate is the server's certificate. It is asked for at every handshake, so it can be renewed.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// ClientCAs sign the certificates of clusters and of Root.
	ClientCAs *x509.CertPool
	// Root is the common name of the client that may ask what is for Minato itself to know.
	Root string

	// Authenticate finds out who shows a token to a cluster (access.Authenticator.Authenticate).
	Authenticate func(ctx context.Context, clusterID, token string) (access.User, error)
	// Authorize decides what access policies allow (access.Authorizer.Authorize).
	Authorize func(clusterID string, q access.Question) access.Verdict
	// Profiles are the names of a cluster's Fargate profiles for a pod, in their order. Nil has none.
	Profiles func(clusterID, namespace string, labels map[string]string) []string
	// Associated is whether a ServiceAccount has a Pod Identity association.
	Associated func(clusterID, namespace, serviceAccount string) bool
	// Annotations are those of a ServiceAccount; none if it is not there.
	Annotations func(ctx context.Context, clusterID, namespace, serviceAccount string) (map[string]string, error)
	// PodSettings are what a cluster's pods are mutated by; false for an unknown cluster.
	PodSettings func(clusterID string) (podidentity.Settings, bool)
	// AWSAuth is what is in force of a cluster's aws-auth ConfigMap; false as long as it has not been read (access.AWSAuths.Of).
	AWSAuth func(clusterID string) (access.InForce, bool)
	// Ready is nil once the records that decisions need have been read, else what is missing.
	Ready func() error
	// WaitFor waits until decisions are made by the records of a revision or a later one.
	WaitFor func(ctx context.Context, rev store.Revision) error

	Log *slog.Logger
}

// Server answers webhooks.
type Server struct {
	cfg     Config
	metrics *metrics
	handler http.Handler
}

// New makes a Server. It does nothing before Run.
func New(c Config) *Server {
	s := &Server{cfg: c, metrics: newMetrics()}
	s.handler = s.routes()
	return s
}

// Run listens and serves until ctx ends; then it finishes the requests that it has begun.
func (s *Server) Run(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	return s.serve(ctx, l)
}

func (s *Server) serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.handler,
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS13,
			GetCertificate: s.cfg.Certificate,
			ClientAuth:     tls.VerifyClientCertIfGiven, // health is open; the rest asks for a name
			ClientCAs:      s.cfg.ClientCAs,
		},
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      appliedWait + 10*time.Second,
		IdleTimeout:       10 * time.Minute, // a handshake costs more than a thousand reviews of a kept connection
		MaxHeaderBytes:    16 << 10,
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
	if err := srv.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("webhooks: %w", err)
	}
	<-ended
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /clusters/{id}/authenticate", s.review("authenticate", maxTokenReview, s.authenticate))
	mux.HandleFunc("POST /clusters/{id}/authorize", s.review("authorize", maxAccessReview, s.authorize))
	mux.HandleFunc("POST /clusters/{id}/mutate", s.review("mutate", maxAdmissionReview, s.mutate))
	mux.HandleFunc("POST /clusters/{id}/identify", s.review("identify", maxAdmissionReview, s.identify))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /applied", s.forRoot(s.applied))
	mux.HandleFunc("GET /clusters/{id}/aws-auth", s.forRoot(s.awsAuth))
	return mux
}
