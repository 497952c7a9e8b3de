package awsauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Where a cluster's ConfigMap is.
const (
	namespace = "kube-system"
	name      = "aws-auth"
)

const (
	configMapsPath = "/api/v1/namespaces/" + namespace + "/configmaps?fieldSelector=metadata.name%3D" + name
	eventsPath     = "/api/v1/namespaces/" + namespace + "/events"

	requestTimeout = 5 * time.Second
	// watchTimeout is when a watch is begun anew, in case that a connection has died without a sound.
	watchTimeout = 5 * time.Minute
	// maxObject bounds a ConfigMap on the wire: etcd takes no object over 1.5 MiB, and JSON escapes may triple it.
	maxObject = 8 << 20
)

// Target is where a cluster's kube-apiserver is, and as whom to come: host:port, and PEM files.
type Target struct {
	Addr     string
	CAFile   string
	CertFile string
	KeyFile  string
}

// configMap is what we read of a ConfigMap.
type configMap struct {
	Metadata struct {
		Name            string `json:"name"`
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
}

// api is a client of one kube-apiserver.
type api struct {
	base   string
	client *http.Client
}

// newAPI makes a client. The certificate is read again at every handshake, because it is renewed; the CA never changes.
func newAPI(t Target) (*api, error) {
	ca, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("no certificate in %s", t.CAFile)
	}
	return &api{base: "https://" + t.Addr, client: &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			RootCAs:    roots,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
				return &cert, err
			},
		},
	}}}, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

// get reads the ConfigMap, nil where there is none, and the version of the list, to watch after.
func (a *api) get(ctx context.Context) (*configMap, string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	body, err := a.open(ctx, http.MethodGet, configMapsPath, nil)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = body.Close() }()
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []configMap `json:"items"`
	}
	if err := json.NewDecoder(io.LimitReader(body, maxObject)).Decode(&list); err != nil {
		return nil, "", fmt.Errorf("reading the list: %w", err)
	}
	if len(list.Items) == 0 {
		return nil, list.Metadata.ResourceVersion, nil
	}
	return &list.Items[0], list.Metadata.ResourceVersion, nil
}

// watch calls see with the ConfigMap, nil when it has been deleted, whenever it changes after a version, until the watch ends,
// which it does for one reason or another.
func (a *api) watch(ctx context.Context, version string, see func(*configMap)) error {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout+requestTimeout)
	defer cancel()
	path := fmt.Sprintf("%s&watch=true&resourceVersion=%s&timeoutSeconds=%d", configMapsPath, version, int(watchTimeout.Seconds()))
	body, err := a.open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	bounded := &io.LimitedReader{R: body}
	decoder := json.NewDecoder(bounded)
	for {
		bounded.N = maxObject
		var event struct {
			Type   string    `json:"type"`
			Object configMap `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			see(&event.Object)
		case "DELETED":
			see(nil)
		default: // ERROR: the version is too old
			return fmt.Errorf("watching: an event of type %q", event.Type)
		}
	}
}

// warn makes a Kubernetes event about the ConfigMap.
func (a *api) warn(ctx context.Context, m *configMap, message string, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	at := now.UTC().Format(time.RFC3339)
	event, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"generateName": name + ".", "namespace": namespace},
		"involvedObject": map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "namespace": namespace, "name": name,
			"uid": m.Metadata.UID, "resourceVersion": m.Metadata.ResourceVersion,
		},
		"type": "Warning", "reason": "MalformedAWSAuth", "message": message,
		"source":         map[string]any{"component": "minato"},
		"firstTimestamp": at, "lastTimestamp": at, "count": 1,
	})
	if err != nil {
		return err
	}
	body, err := a.open(ctx, http.MethodPost, eventsPath, event)
	if err != nil {
		return err
	}
	return body.Close()
}

// open makes a request and gives the body of a 2xx answer.
func (a *api) open(ctx context.Context, method, path string, in []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "minato-hook")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	return nil, fmt.Errorf("kube-apiserver answers %s: %s", resp.Status, text)
}
