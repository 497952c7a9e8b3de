// Package imds is the instance metadata service: the paths that SDKs and nodeadm read of 169.254.169.254, with the tokens of
// IMDSv2. How far its answers travel is for the network; see cluster/node/machine.
//
// Source: "Access instance metadata for an EC2 instance" and "Instance metadata categories" in the EC2 User Guide.
package imds

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato/internal/seal"
)

const (
	tokenPath   = "/latest/api/token"
	tokenHeader = "X-aws-ec2-metadata-token"             //nolint:gosec // a header's name
	ttlHeader   = "X-aws-ec2-metadata-token-ttl-seconds" //nolint:gosec // a header's name
	maxTTL      = 6 * time.Hour
	tokenLabel  = "imds"
)

// Config is what the service of one instance says.
type Config struct {
	// Values are the answers by path below /latest/: "meta-data/instance-id". Folders list themselves.
	Values map[string]string
	// Dynamic are answers that change. They must return at once; false is not there.
	Dynamic map[string]func() (string, bool)
	// TokensOptional answers without a token, too.
	TokensOptional bool
}

// Service is the service of one instance.
type Service struct {
	config Config
	sealer *seal.Sealer
	now    func() time.Time
}

// New makes the service. Its tokens are good until it ends.
func New(c Config) (*Service, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	sealer, err := seal.New(key)
	if err != nil {
		return nil, err
	}
	return &Service{config: c, sealer: sealer, now: time.Now}, nil
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws")
	if r.URL.Path == tokenPath {
		s.giveToken(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	if token := r.Header.Get(tokenHeader); token != "" || !s.config.TokensOptional {
		if !s.valid(token) {
			refuse(w, http.StatusUnauthorized)
			return
		}
	}
	value, ok := s.answer(r.URL.Path)
	if !ok {
		refuse(w, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(len(value)))
	_, _ = w.Write([]byte(value))
}

// giveToken answers PUT /latest/api/token. A request that came through a proxy gets none: that is what the tokens are for.
func (s *Service) giveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("X-Forwarded-For") != "" {
		refuse(w, http.StatusForbidden)
		return
	}
	seconds, err := strconv.Atoi(r.Header.Get(ttlHeader))
	ttl := time.Duration(seconds) * time.Second
	if err != nil || seconds < 1 || ttl > maxTTL {
		refuse(w, http.StatusBadRequest)
		return
	}
	expiry := binary.BigEndian.AppendUint64(nil, uint64(s.now().Add(ttl).UnixNano()))
	token := base64.URLEncoding.EncodeToString(s.sealer.Seal(expiry, tokenLabel))
	w.Header().Set(ttlHeader, strconv.Itoa(seconds))
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(token))
}

func (s *Service) valid(token string) bool {
	b, err := base64.URLEncoding.DecodeString(token)
	if err != nil {
		return false
	}
	expiry, err := s.sealer.Unseal(b, tokenLabel)
	return err == nil && len(expiry) == 8 && s.now().UnixNano() < int64(binary.BigEndian.Uint64(expiry))
}

// answer is what lies at a path. The version in it may be a date, as clients ask for an old one.
func (s *Service) answer(path string) (string, bool) {
	version, rest, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if version == "" {
		return "latest", true
	}
	if version != "latest" && !isDate(version) {
		return "", false
	}
	if !found {
		rest = ""
	}
	key := strings.TrimSuffix(rest, "/")
	if value, ok := s.config.Values[key]; ok {
		return value, true
	}
	if dynamic, ok := s.config.Dynamic[key]; ok {
		return dynamic()
	}
	return s.list(key)
}

func isDate(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil || version == "1.0"
}

// refuse answers an error as the service does, with a page that nobody reads.
func refuse(w http.ResponseWriter, code int) { http.Error(w, http.StatusText(code), code) }
