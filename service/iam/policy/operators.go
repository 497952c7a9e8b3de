package policy

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator is a condition operator without its quantifier and without IfExists.
type operator struct {
	negated bool
	null    bool
	// compile prepares one value of the document; the second result says what is wrong with it.
	compile func(text string, variables bool) (matcher, string)
}

// operators are those of the IAM User Guide, "IAM JSON policy elements: Condition operators". Policy variables work in the
// string and ARN operators.
var operators = map[string]operator{
	"StringEquals":              {compile: stringOp(syntax{})},
	"StringNotEquals":           {compile: stringOp(syntax{}), negated: true},
	"StringEqualsIgnoreCase":    {compile: stringOp(syntax{fold: true})},
	"StringNotEqualsIgnoreCase": {compile: stringOp(syntax{fold: true}), negated: true},
	"StringLike":                {compile: stringOp(syntax{wildcards: true})},
	"StringNotLike":             {compile: stringOp(syntax{wildcards: true}), negated: true},
	"ArnEquals":                 {compile: arnOp},
	"ArnLike":                   {compile: arnOp},
	"ArnNotEquals":              {compile: arnOp, negated: true},
	"ArnNotLike":                {compile: arnOp, negated: true},
	"NumericEquals":             {compile: numericOp(equal)},
	"NumericNotEquals":          {compile: numericOp(equal), negated: true},
	"NumericLessThan":           {compile: numericOp(less)},
	"NumericLessThanEquals":     {compile: numericOp(lessOrEqual)},
	"NumericGreaterThan":        {compile: numericOp(greater)},
	"NumericGreaterThanEquals":  {compile: numericOp(greaterOrEqual)},
	"DateEquals":                {compile: dateOp(equal)},
	"DateNotEquals":             {compile: dateOp(equal), negated: true},
	"DateLessThan":              {compile: dateOp(less)},
	"DateLessThanEquals":        {compile: dateOp(lessOrEqual)},
	"DateGreaterThan":           {compile: dateOp(greater)},
	"DateGreaterThanEquals":     {compile: dateOp(greaterOrEqual)},
	"Bool":                      {compile: boolOp},
	"Null":                      {compile: boolOp, null: true},
	"BinaryEquals":              {compile: binaryOp},
	"IpAddress":                 {compile: addressOp},
	"NotIpAddress":              {compile: addressOp, negated: true},
}

// What a comparison of two ordered values (-1, 0, 1) must be.
func equal(c int) bool          { return c == 0 }
func less(c int) bool           { return c < 0 }
func lessOrEqual(c int) bool    { return c <= 0 }
func greater(c int) bool        { return c > 0 }
func greaterOrEqual(c int) bool { return c >= 0 }

func stringOp(s syntax) func(string, bool) (matcher, string) {
	return func(text string, variables bool) (matcher, string) {
		s := s
		s.variables = variables
		t, problem := compile(text, s)
		if problem != "" {
			return nil, problem
		}
		return t.match, ""
	}
}

func arnOp(text string, variables bool) (matcher, string) {
	a, problem := compileARN(text, syntax{variables: variables})
	if problem != "" {
		return nil, problem
	}
	return a.match, ""
}

func numericOp(want func(int) bool) func(string, bool) (matcher, string) {
	return func(text string, _ bool) (matcher, string) {
		limit, ok := number(text)
		if !ok {
			return nil, "want a number"
		}
		return func(value string, _ *Request) answer {
			n, ok := number(value)
			return answerOf(ok && want(n.Cmp(limit)))
		}, ""
	}
}

// number reads a plain decimal number. Exponents are not read: a short text could stand for a number of any size.
func number(s string) (*big.Rat, bool) {
	if s == "" || len(s) > 40 || strings.Trim(s, "+-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func dateOp(want func(int) bool) func(string, bool) (matcher, string) {
	return func(text string, _ bool) (matcher, string) {
		limit, ok := date(text)
		if !ok {
			return nil, "want a date such as 2026-04-01T00:00:00Z, or seconds since 1970"
		}
		return func(value string, _ *Request) answer {
			t, ok := date(value)
			return answerOf(ok && want(t.Compare(limit)))
		}, ""
	}
}

// dateLayouts are the ISO 8601 forms of the W3C's date and time note, which IAM reads.
var dateLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}

func date(s string) (time.Time, bool) {
	// Four digits are a year; anything longer of digits only is epoch seconds.
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) != len("2006") {
		return time.Unix(seconds, 0), true
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func boolOp(text string, _ bool) (matcher, string) {
	if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
		return nil, `want "true" or "false"`
	}
	return func(value string, _ *Request) answer { return answerOf(strings.EqualFold(value, text)) }, ""
}

func binaryOp(text string, _ bool) (matcher, string) {
	want, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, "want base64"
	}
	return func(value string, _ *Request) answer {
		got, err := base64.StdEncoding.DecodeString(value)
		return answerOf(err == nil && string(got) == string(want))
	}, ""
}

func addressOp(text string, _ bool) (matcher, string) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, "want an IP address or a CIDR block such as 203.0.113.0/24"
		}
		network = netip.PrefixFrom(addr, addr.BitLen())
	}
	return func(value string, _ *Request) answer {
		addr, err := netip.ParseAddr(value)
		return answerOf(err == nil && network.Contains(addr.Unmap()))
	}, ""
}
