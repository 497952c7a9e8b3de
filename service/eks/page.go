package eks

import (
	"encoding/base64"
	"strings"

	"minato.dev/minato"
)

// PageRequest is which page of a list is asked for.
type PageRequest struct {
	MaxResults *int32 // 1 to 100; nil is 100
	NextToken  string // what the page before answered; empty for the first
}

const maxPage = 100

// limit is how many results a page has.
func (p PageRequest) limit() (int, error) {
	if p.MaxResults == nil {
		return maxPage, nil
	}
	if n := int(*p.MaxResults); n >= 1 && n <= maxPage {
		return n, nil
	}
	return 0, minato.Errorf(minato.Invalid, "maxResults must be between 1 and %d, not %d", maxPage, *p.MaxResults)
}

// after is where the page begins: behind this id of the list.
func (p PageRequest) after(list string) (string, error) {
	if p.NextToken == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.NextToken)
	id, ok := strings.CutPrefix(string(b), list+":")
	if err != nil || !ok {
		return "", minato.Errorf(minato.Invalid, "nextToken is not one that this list has answered: leave it out to begin anew")
	}
	return id, nil
}

// nextToken makes the token for the page behind an id; empty at the end.
func nextToken(list, id string) string {
	if id == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(list + ":" + id))
}
