package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	awscore "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The objects that are written and read: how large, and how many.
var s3Objects = []struct {
	name  string
	size  int
	count int
}{{"4 KiB", 4 << 10, 400}, {"8 MiB", 8 << 20, 30}}

// benchS3 writes and reads objects one after the other, in turns with a plain net/http file server that syncs what it takes: the ratio
// is the cost of signatures, checksums, policies and the index.
func benchS3(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	files, err := startFiles(ctx, o)
	if err != nil {
		return nil, err
	}
	defer files.stop()
	endpoint := s.env["AWS_ENDPOINT_URL"]
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true,
		Credentials: awscore.CredentialsProviderFunc(func(context.Context) (awscore.Credentials, error) {
			return awscore.Credentials{AccessKeyID: s.env["AWS_ACCESS_KEY_ID"], SecretAccessKey: s.env["AWS_SECRET_ACCESS_KEY"]}, nil
		}),
	})
	bucket := awscore.String("bench")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return nil, err
	}
	var rows []Row
	for _, object := range s3Objects {
		body := make([]byte, object.size)
		_, _ = rand.Read(body) // never fails
		var ours, theirs [2][]time.Duration
		for i := range object.count {
			key := awscore.String(fmt.Sprintf("%d-%d", object.size, i))
			err := errors.Join(
				timed(&ours[0], func() error {
					_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body)})
					return err
				}),
				timed(&theirs[0], func() error { return files.do(ctx, http.MethodPut, *key, body) }),
				timed(&ours[1], func() error {
					out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
					if err != nil {
						return err
					}
					_, err = io.Copy(io.Discard, out.Body)
					return errors.Join(err, out.Body.Close())
				}),
				timed(&theirs[1], func() error { return files.do(ctx, http.MethodGet, *key, nil) }),
			)
			if err != nil {
				return nil, err
			}
		}
		for i, what := range []string{"PUT", "GET"} {
			rows = append(rows, against(fmt.Sprintf("S3: %s of %s, p50, beside a plain net/http file server", what, object.name),
				percentile(ours[i], 50)*1000, percentile(theirs[i], 50)*1000, "ms", ""))
		}
	}
	return rows, nil
}

func timed(into *[]time.Duration, do func() error) error {
	begun := time.Now()
	err := do()
	*into = append(*into, time.Since(begun))
	return err
}

// startFiles starts a plain file server.
func startFiles(ctx context.Context, o options) (*files, error) {
	dir, err := os.MkdirTemp(o.dir, "files-")
	if err != nil {
		return nil, err
	}
	c, err := startChild(ctx, "files", dir)
	return &files{c}, err
}

// files is one, in a process of its own.
type files struct{ *child }

func (f *files) do(ctx context.Context, method, name string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+f.addr+"/"+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, name, resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

// serveFiles is that process.
func serveFiles(addr string, args []string) error {
	dir := args[0]
	get := http.FileServer(http.Dir(dir))
	server := &http.Server{Addr: addr, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			get.ServeHTTP(w, r)
			return
		}
		if err := writeSynced(filepath.Join(dir, filepath.Base(r.URL.Path)), r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	return server.ListenAndServe()
}

// writeSynced writes a file so that it is there, whole, after a loss of power.
func writeSynced(path string, body io.Reader) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if err := errors.Join(err, f.Sync(), f.Close(), os.Rename(path+".new", path)); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
