package kubehook

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

const benchSecret = "bench-secret"

var benchUser = minato.Principal{
	Type: minato.IAMUser, Account: "111122223333", ID: "AIDABENCH", ARN: minato.NewARN("iam", "", "111122223333", "user/bench"),
}

// benchToken is a token as the AWS CLI makes it.
func benchToken(b testing.TB) string {
	b.Helper()
	query := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Expires": {"60"}}
	r, err := http.NewRequest(http.MethodGet, "https://sts.us-east-1.amazonaws.com/?"+query.Encode(), nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-K8s-Aws-Id", "prod")
	empty := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: "AKIABENCH", SecretAccessKey: benchSecret}, r, hex.EncodeToString(empty[:]), "sts", "us-east-1", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	return access.Prefix + base64.RawURLEncoding.EncodeToString([]byte(signed))
}

// benchWorld is the whole way: TLS, review, real verification of a real token.
func benchWorld(b *testing.B) *world {
	b.Helper()
	c := &eks.Cluster{Name: "prod", ID: cluster, Creator: benchUser, Spec: eks.ClusterSpec{AuthenticationMode: "CONFIG_MAP"}}
	a := access.New(access.Config{
		Cluster: func(id string) (*eks.Cluster, bool) { return c, id == c.ID },
		Credentials: func(context.Context, string, string) (iam.Credential, error) {
			return iam.Credential{Secret: benchSecret, Principal: benchUser}, nil
		},
		Mappers: []access.Mapper{access.CreatorAdmin},
	})
	return start(b, a.Authenticate)
}

// ask posts a review and wants an answer that contains something.
func ask(c *http.Client, url, body, want string) (time.Duration, error) {
	begin := time.Now()
	resp, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && !strings.Contains(string(answer), want) {
		return 0, &badReview{string(answer)}
	}
	return time.Since(begin), err
}

// latencies collects what askers measured.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

func (l *latencies) report(b *testing.B) {
	slices.Sort(l.all)
	for name, part := range map[string]float64{"p50-µs": 0.50, "p99-µs": 0.99} {
		b.ReportMetric(float64(l.all[int(part*float64(len(l.all)-1))].Nanoseconds())/1e3, name)
	}
}

const accepted = `"authenticated":true`

// BenchmarkReview asks as fast as one kube-apiserver connection allows, client and server sharing -cpu cores.
func BenchmarkReview(b *testing.B) {
	w := benchWorld(b)
	flatOut(b, w.apiserver(), "https://"+w.addr+path, review(benchToken(b)), accepted)
}

func flatOut(b *testing.B, c *http.Client, url, body, want string) {
	b.Helper()
	l := &latencies{}
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d, err := ask(c, url, body, want)
			if err != nil {
				b.Error(err)
				return
			}
			l.add(d)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reviews/s")
	l.report(b)
}

// BenchmarkReviewAt2000 asks 2,000 times a second, whether or not the answers keep up: what a kube-apiserver sees under load.
func BenchmarkReviewAt2000(b *testing.B) {
	w := benchWorld(b)
	steadily(b, w.apiserver(), "https://"+w.addr+path, review(benchToken(b)), accepted)
}

func steadily(b *testing.B, c *http.Client, url, body, want string) {
	b.Helper()
	l := &latencies{}
	if _, err := ask(c, url, body, want); err != nil { // the handshake
		b.Fatal(err)
	}
	var asking sync.WaitGroup
	begin := time.Now()
	b.ResetTimer()
	for i := range b.N {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / 2000)))
		asking.Go(func() {
			d, err := ask(c, url, body, want)
			if err != nil {
				b.Error(err)
				return
			}
			l.add(d)
		})
	}
	asking.Wait()
	l.report(b)
}
