package s3api

import "testing"

func TestHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{ // no bucket: it is in the path
		"127.0.0.1:4566": "", "localhost:4566": "", "minato.example.com": "",
		"s3.us-east-1.amazonaws.com": "", "s3-us-west-2.amazonaws.com": "", "s3.dualstack.eu-west-1.amazonaws.com": "", "s3.localhost:4566": "",
		"s3.amazonaws.com": "", "s3.minato.example.com": "",
		"data.s3.us-east-1.amazonaws.com": "data", "data.s3-us-west-2.amazonaws.com": "data", "data.s3.amazonaws.com": "data",
		"data.s3.dualstack.us-gov-west-1.amazonaws.com": "data", "data.localhost:4566": "data", "data.s3.localhost": "data",
		"data.s3.minato.example.com": "data", "a.b.localhost": "a.b",
		"s3-logs.localhost": "s3-logs", "s3-logs.s3.us-east-1.amazonaws.com": "s3-logs",
		"my.s3.bucket.localhost": "my.s3.bucket", "my.s3.bucket.s3.us-east-1.amazonaws.com": "my.s3.bucket",
	} {
		bucket, ok := virtualHost(host)
		if bucket != want || ok != (want != "") {
			t.Errorf("%s names bucket %q, want %q", host, bucket, want)
		}
	}
}
