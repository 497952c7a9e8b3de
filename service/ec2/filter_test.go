package ec2

import (
	"strings"
	"testing"
)

func TestLike(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"a", "a", true}, {"*", "", true}, {"*", "abc", true},
		{"a*c", "abbc", true}, {"a*c", "abcd", false}, {"*b*", "abc", true}, {"?", "", false}, {"?", "a", true}, {"??", "a", false},
		{`\*`, "*", true}, {`\*`, "a", false}, {`\?x`, "?x", true}, {`\\`, `\`, true}, {`\`, `\`, true}, {`a\`, "a", false},
		{`*\*`, "a*", true}, {`*\*`, "ab", false}, {"*ab", "aab", true}, {"a**b", "ab", true},
	} {
		if got := like(tc.pattern, tc.s); got != tc.want {
			t.Errorf("like(%q, %q) = %v", tc.pattern, tc.s, got)
		}
	}
}

// TestLikeIsNotExponential would not end in a matcher that tries every way of splitting.
func TestLikeIsNotExponential(t *testing.T) {
	t.Parallel()
	if like(strings.Repeat("a*", 500)+"b", strings.Repeat("a", 5000)) {
		t.Error("a pattern that ends in b fits a string without one")
	}
}
