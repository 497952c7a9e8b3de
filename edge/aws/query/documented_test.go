package query_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato/edge/aws/ec2api"
	"minato.dev/minato/edge/aws/iamapi"
	"minato.dev/minato/edge/aws/ssmapi"
	"minato.dev/minato/edge/aws/stsapi"
)

func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| ([\w, ]+) \| done \| .*\|$`)
	for heading, api := range map[string]interface{ OperationNames() []string }{
		"IAM": iamapi.New(nil), "STS": stsapi.New(nil), "EC2": ec2api.New(nil), "SSM": ssmapi.New(nil),
	} {
		_, section, found := strings.Cut(string(b), "\n## "+heading+"\n")
		if !found {
			t.Errorf("docs/operations.md has no section %q", heading)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		var documented []string
		for _, match := range row.FindAllStringSubmatch(section, -1) {
			documented = append(documented, strings.Split(match[1], ", ")...)
		}
		slices.Sort(documented)
		if diff := cmp.Diff(api.OperationNames(), documented); diff != "" {
			t.Errorf("%s: the code (-) and docs/operations.md (+) differ:\n%s", heading, diff)
		}
	}
}
