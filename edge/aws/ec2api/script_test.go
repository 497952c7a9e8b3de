package ec2api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"minato.dev/minato/edge/aws/query"
)

// client asks a service, remembers what it was told, and puts it into what it asks next: {vpcId} is the last vpcId seen.
type client struct {
	t    *testing.T
	api  *query.API
	seen map[string]string
}

func newClient(t *testing.T) *client {
	t.Helper()
	api, _ := start(t, everybody)
	return &client{t, api, map[string]string{}}
}

var (
	variable = regexp.MustCompile(`\{(\w+)\}`)
	element  = regexp.MustCompile(`<(\w+)>([^<]+)</`)
)

// ok asks for what must succeed, and have all of these in the answer; those that begin with ! it must not have.
func (c *client) ok(form string, want ...string) string {
	c.t.Helper()
	status, body := c.ask(form)
	if status != http.StatusOK {
		c.t.Fatalf("%s: status %d\n%s", form, status, body)
	}
	for _, w := range want {
		w = c.fill(w)
		if absent, not := strings.CutPrefix(w, "!"); not == strings.Contains(body, absent) {
			c.t.Errorf("%s: want %q in\n%s", form, w, body)
		}
	}
	for _, m := range element.FindAllStringSubmatch(body, -1) {
		c.seen[m[1]] = m[2]
	}
	return body
}

// refused asks for what must fail, with an error code and something in the message.
func (c *client) refused(code, says, form string) {
	c.t.Helper()
	status, body := c.ask(form)
	if status < 400 || status >= 500 || !strings.Contains(body, "<Code>"+code+"</Code>") || !strings.Contains(body, says) {
		c.t.Errorf("%s: status %d\n%s\nwant %s saying %q", form, status, body, code, says)
	}
}

// keep gives the last value seen of an element another name.
func (c *client) keep(element, as string) { c.seen[as] = c.seen[element] }

func (c *client) ask(form string) (int, string) { return call(c.t, c.api, "Action="+c.fill(form)) }

func (c *client) fill(s string) string {
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		value, ok := c.seen[m[1:len(m)-1]]
		if !ok {
			panic(fmt.Sprintf("nothing has been seen of %s", m))
		}
		return value
	})
}
