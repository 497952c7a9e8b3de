package ssm

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// NodeImage is an image that nodegroups can take, as AWS publishes EKS's optimized AMIs.
type NodeImage struct {
	Minor        string // "1.35"
	Architecture string // x86_64 or arm64
	ID           string // "ami-0…"
	Name         string
	Release      string    // "1.35.4-20260127", as UpdateNodegroupVersion takes it
	PublishedAt  time.Time // zero where EKS has not released the minor
}

// Parameter is a public parameter: it is made of what is built, and nobody can change it.
type Parameter struct {
	Name       string
	Value      string
	ARN        minato.ARN // of no account
	ModifiedAt time.Time  // zero where EKS has not released the minor
}

// Bounds of GetParameters and GetParametersByPath (SSM API reference).
const (
	maxNames          = 10
	maxParameterPage  = 10
	maxParameterName  = 2048
	parameterResource = "parameter"
)

// parameters are all that there are, by name. The names and values are those of the EKS user guide ("Retrieve recommended Amazon
// Linux AMI IDs") and the Systems Manager user guide ("Calling the EKS optimized AMI public parameter").
func (s *Service) parameters(region minato.Region) []Parameter {
	var all []Parameter
	for _, i := range s.NodeImages() {
		add := func(name, value string) {
			all = append(all, Parameter{Name: name, Value: value, ARN: parameterARN(region, name), ModifiedAt: i.PublishedAt})
		}
		recommended := "/aws/service/eks/optimized-ami/" + i.Minor + "/amazon-linux-2023/" + i.Architecture + "/standard/recommended"
		whole, _ := json.Marshal(struct { // strings only: it cannot fail
			SchemaVersion  string `json:"schema_version"`
			ImageID        string `json:"image_id"`
			ImageName      string `json:"image_name"`
			ReleaseVersion string `json:"release_version"`
		}{"2", i.ID, i.Name, i.Release})
		add(recommended, string(whole))
		add(recommended+"/image_id", i.ID)
		add(recommended+"/image_name", i.Name)
		add(recommended+"/release_version", i.Release)
	}
	slices.SortFunc(all, func(a, b Parameter) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func parameterARN(region minato.Region, name string) minato.ARN {
	return minato.NewARN("ssm", string(region), "", parameterResource+"/"+strings.TrimPrefix(name, "/"))
}

// plainName is a parameter's name without the ARN and the version that may be around it. Every public parameter is of version 1.
func plainName(name string) string {
	if arn, err := minato.ParseARN(name); err == nil {
		name = strings.TrimPrefix(arn.Resource, parameterResource)
	}
	return strings.TrimSuffix(name, ":1")
}

func (s *Service) authorizeParameter(ctx context.Context, c Caller, action, name string) error {
	return s.Authorize(ctx, iam.Access{
		Credential: c.Credential, Action: "ssm:" + action, Resource: parameterARN(c.Scope.Region, name), Context: c.Context,
	})
}

// Parameter finds a parameter by its name or ARN.
func (s *Service) Parameter(ctx context.Context, c Caller, name string) (Parameter, error) {
	if name == "" || len(name) > maxParameterName {
		return Parameter{}, invalid("ValidationException", "Name has %d characters: want 1 to %d", len(name), maxParameterName)
	}
	name = plainName(name)
	if err := s.authorizeParameter(ctx, c, "GetParameter", name); err != nil {
		return Parameter{}, err
	}
	all := s.parameters(c.Scope.Region)
	if i := slices.IndexFunc(all, func(p Parameter) bool { return p.Name == name }); i >= 0 {
		return all[i], nil
	}
	return Parameter{}, invalid("ParameterNotFound", "Parameter %s not found. %s", name, s.haveParameters())
}

// haveParameters says which parameters there are.
func (s *Service) haveParameters() string {
	var minors []string
	for _, i := range s.NodeImages() {
		minors = append(minors, i.Minor)
	}
	return "There are public parameters of node images only, /aws/service/eks/optimized-ami/VERSION/amazon-linux-2023/ARCHITECTURE/standard/recommended, " +
		"of what is built: " + strings.Join(minors, ", ")
}

// Parameters finds up to ten parameters; missing are the names that nothing has.
func (s *Service) Parameters(ctx context.Context, c Caller, names []string) (found []Parameter, missing []string, err error) {
	if len(names) == 0 || len(names) > maxNames {
		return nil, nil, invalid("ValidationException", "Names has %d names: want 1 to %d", len(names), maxNames)
	}
	all := s.parameters(c.Scope.Region)
	for _, name := range names {
		plain := plainName(name)
		if err := s.authorizeParameter(ctx, c, "GetParameters", plain); err != nil {
			return nil, nil, err
		}
		if i := slices.IndexFunc(all, func(p Parameter) bool { return p.Name == plain }); i >= 0 {
			found = append(found, all[i])
		} else {
			missing = append(missing, name)
		}
	}
	return found, missing, nil
}

// ByPath asks for the parameters under a path.
type ByPath struct {
	Path      string
	Recursive bool
	Max       int    // 0 is 10
	Token     string // of the page before
}

// ParametersByPath are those under a path, by name: directly under it, or all the way down.
func (s *Service) ParametersByPath(ctx context.Context, c Caller, in ByPath) (page []Parameter, next string, err error) {
	if !strings.HasPrefix(in.Path, "/") || len(in.Path) > maxParameterName {
		return nil, "", invalid("ValidationException", "Path %q must begin with / and have at most %d characters", in.Path, maxParameterName)
	}
	if in.Max = cmp.Or(in.Max, maxParameterPage); in.Max < 1 || in.Max > maxParameterPage {
		return nil, "", invalid("ValidationException", "MaxResults is %d: want 1 to %d", in.Max, maxParameterPage)
	}
	skip := 0
	if in.Token != "" {
		if skip, err = strconv.Atoi(in.Token); err != nil || skip < 0 {
			return nil, "", invalid("InvalidNextToken", "NextToken %q is not one that was answered", in.Token)
		}
	}
	if err := s.authorizeParameter(ctx, c, "GetParametersByPath", in.Path); err != nil {
		return nil, "", err
	}
	under := strings.TrimRight(in.Path, "/") + "/"
	var all []Parameter
	for _, p := range s.parameters(c.Scope.Region) {
		if rest, ok := strings.CutPrefix(p.Name, under); ok && (in.Recursive || !strings.Contains(rest, "/")) {
			all = append(all, p)
		}
	}
	all = all[min(skip, len(all)):]
	if len(all) > in.Max {
		return all[:in.Max], strconv.Itoa(skip + in.Max), nil
	}
	return all, "", nil
}
