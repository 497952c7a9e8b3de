// Command sdkpod is what tests run in pods: an AWS SDK that nobody has told anything. It says who it is, reads an object and
// tries to write it, as often as it is asked to over HTTP, with credentials that it gets anew each time; and it asks the agent of its node
// for them in ways that no SDK does.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// bucket has the object "file".
const bucket = "sdkpod-data"

func main() {
	http.HandleFunc("GET /credentials", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) (string, error) {
			cfg, err := config.LoadDefaultConfig(ctx)
			if err != nil {
				return "", err
			}
			c, err := cfg.Credentials.Retrieve(ctx)
			return c.Source + " " + c.AccessKeyID, err
		})
	})
	http.HandleFunc("GET /whoami", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) (string, error) {
			cfg, err := config.LoadDefaultConfig(ctx)
			if err != nil {
				return "", err
			}
			who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
			if err != nil {
				return "", err
			}
			return *who.Arn, nil
		})
	})
	http.HandleFunc("GET /read", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) (string, error) {
			cfg, err := config.LoadDefaultConfig(ctx)
			if err != nil {
				return "", err
			}
			object, err := s3.NewFromConfig(cfg).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("file")})
			if err != nil {
				return "", err
			}
			defer func() { _ = object.Body.Close() }()
			content, err := io.ReadAll(io.LimitReader(object.Body, 1<<10))
			return string(content), err
		})
	})
	http.HandleFunc("GET /write", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) (string, error) {
			cfg, err := config.LoadDefaultConfig(ctx)
			if err != nil {
				return "", err
			}
			_, err = s3.NewFromConfig(cfg).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("file"), Body: strings.NewReader("x")})
			return "written", err
		})
	})
	http.HandleFunc("GET /ask", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context) (string, error) { return askAgent(ctx, readQuestion(r.URL.Query())) })
	})
	http.HandleFunc("GET /flood", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(context.Context) (string, error) { return flood(r.Context(), r.URL.Query()) })
	})
	http.HandleFunc("POST /burst", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(context.Context) (string, error) { return burst(r) })
	})
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	slog.Error("serving ended", "error", server.ListenAndServe())
	os.Exit(1)
}

func answer(w http.ResponseWriter, r *http.Request, ask func(context.Context) (string, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	said, err := ask(ctx)
	if err != nil {
		said = "error: " + err.Error()
	}
	fmt.Fprintln(w, said)
}
