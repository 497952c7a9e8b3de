package sigv4

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	keyForm       = regexp.MustCompile(`^[A-Za-z0-9_]{1,128}$`)
	signatureForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
	headerForm    = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9a-z-]{1,128}$`)
)

// fromHeader reads AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=… and the headers that go with it.
func fromHeader(r *request, authorization string) (*Signed, error) {
	if len(authorization) > maxAuthorization || len(r.header.Values("Authorization")) > 1 {
		return nil, incomplete("there is more than one Authorization header, or one of more than %d bytes", maxAuthorization)
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(authorization, algorithm), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[name]; !ok || twice {
			return nil, incomplete("'%s' not a valid key=value pair (missing equal-sign or given twice) in Authorization header", name)
		}
		parts[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[name] == "" {
			return nil, incomplete("Authorization header requires '%s' parameter.", name)
		}
	}
	if len(parts) != 3 {
		return nil, incomplete("Authorization header has parameters beside Credential, SignedHeaders and Signature")
	}
	for _, name := range []string{"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		if len(r.header.Values(name)) > 1 {
			return nil, incomplete("there is more than one %s header", name)
		}
	}
	s := &Signed{SessionToken: r.header.Get("X-Amz-Security-Token"), declaredHash: r.header.Get("X-Amz-Content-Sha256")}
	return s, s.fill(parts["Credential"], r.header.Get("X-Amz-Date"), parts["SignedHeaders"], parts["Signature"])
}

// fromQuery reads the X-Amz-… parameters of a presigned request. The hash of its body is in none of them.
func fromQuery(r *request, params query) (*Signed, error) {
	values := map[string]string{}
	for _, p := range params {
		if strings.HasPrefix(strings.ToLower(p.name), "x-amz-") {
			if _, twice := values[p.name]; twice {
				return nil, incomplete("the query has the parameter '%s' more than once", p.name)
			}
			values[p.name] = p.value
		}
	}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if values[name] == "" {
			return nil, incomplete("AWS query-string parameters must include '%s'.", name)
		}
	}
	if values["X-Amz-Algorithm"] != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", values["X-Amz-Algorithm"])
	}
	seconds, err := strconv.Atoi(values["X-Amz-Expires"])
	if err != nil || seconds < 0 || seconds > int(MaxLifetime/time.Second) {
		return nil, incomplete("X-Amz-Expires is '%s': want a number of seconds from 0 to 604800", values["X-Amz-Expires"])
	}
	s := &Signed{
		Presigned: true, Lifetime: time.Duration(seconds) * time.Second, SessionToken: values["X-Amz-Security-Token"],
		declaredHash: r.header.Get("X-Amz-Content-Sha256"),
	}
	return s, s.fill(values["X-Amz-Credential"], values["X-Amz-Date"], values["X-Amz-SignedHeaders"], values["X-Amz-Signature"])
}

// fill checks the form of the four parts that both kinds of signature have.
func (s *Signed) fill(credential, date, headers, signature string) error {
	c := strings.Split(credential, "/")
	if len(c) != 5 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, "+
			"e.g. keyid/date/region/service/term, got '%s'", credential)
	}
	if !keyForm.MatchString(c[0]) || c[2] == "" || c[3] == "" {
		return incomplete("Credential must be keyid/date/region/service/term, got '%s'", credential)
	}
	if c[4] != terminator {
		return mismatch("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, c[4])
	}
	s.AccessKeyID, s.Scope, s.signature = c[0], Scope{Date: c[1], Region: c[2], Service: c[3]}, signature
	var err error
	if s.Time, err = time.Parse(timeLayout, date); err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '%s'. "+
			"See http://en.wikipedia.org/wiki/ISO_8601", date)
	}
	if day := s.Time.Format(dateLayout); day != s.Scope.Date {
		return mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "+
			"'%s' != '%s', from '%s'.", s.Scope.Date, day, date)
	}
	if !signatureForm.MatchString(signature) {
		return incomplete("Signature is not 64 hexadecimal digits in lower case")
	}
	s.SignedHeaders = strings.Split(headers, ";")
	for i, name := range s.SignedHeaders {
		if !headerForm.MatchString(name) || i > 0 && name <= s.SignedHeaders[i-1] {
			return incomplete("SignedHeaders must be names of headers in lower case, sorted, each once, got '%s'", headers)
		}
	}
	return nil
}

// checkCoverage is that the signature covers what it must: the host and every x-amz- header there is.
func (s *Signed) checkCoverage(r *request) error {
	if !s.covers("host") {
		return mismatch("'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !s.covers(lower) {
			return mismatch("There were headers present in the request which were not signed: %s", lower)
		}
	}
	for _, name := range s.SignedHeaders {
		if _, ok := r.headerValue(name); !ok {
			return mismatch("The signed header '%s' is not in the request.", name)
		}
	}
	return nil
}

func (s *Signed) covers(header string) bool {
	_, ok := slices.BinarySearch(s.SignedHeaders, header)
	return ok
}
