package eks

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// lastKeys are the eks: condition keys that the last question about an action came with.
func (w *world) lastKeys(action string) conditions {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := conditions{}
	for _, a := range slices.Backward(w.accesses) {
		if a.Action == action {
			maps.Copy(keys, a.Context)
			maps.DeleteFunc(keys, func(key string, _ []string) bool { return key[:4] != "eks:" })
			break
		}
	}
	return keys
}

func TestConditionKeysOfClusters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func(action string, want conditions) {
		t.Helper()
		if diff := cmp.Diff(want, w.lastKeys(action)); diff != "" {
			t.Errorf("%s: -want +got\n%s", action, diff)
		}
	}
	w.create(t, request("prod"))
	check("eks:CreateCluster", conditions{}) // what is left out has no key

	r := request("all")
	r.Version, r.AuthenticationMode, r.SupportType = "1.35", "API", "STANDARD"
	r.BootstrapCreatorAdmin, r.BootstrapAddons, r.DeletionProtection = new(false), new(true), new(false)
	r.VPC.EndpointPublicAccess, r.VPC.EndpointPrivateAccess = new(true), new(false)
	r.Logging = []LogSetup{{Types: []string{"api", "controllerManager"}, Enabled: true}, {Types: []string{"audit"}}}
	r.Other = map[string]json.RawMessage{}
	for name, raw := range map[string]string{
		"computeConfig": `{"enabled":false}`, "elasticLoadBalancing": `{"enabled":false}`, "storageConfig": `{"blockStorage":{"enabled":false}}`,
		"zonalShiftConfig": `{"enabled":true}`, "controlPlaneScalingConfig": `{"tier":"tier-xl"}`, "kubeSchedulerConfig": `{}`,
		"encryptionConfig": `[{"resources":["secrets"],"provider":{"keyArn":"arn:aws:kms:us-east-1:111122223333:key/k"}}]`,
	} {
		r.Other[name] = json.RawMessage(raw)
	}
	_, err := w.CreateCluster(t.Context(), alice, r)
	wantError(t, err, minato.Invalid, "is not supported") // what is not there is refused after it is denied
	check("eks:CreateCluster", conditions{
		"eks:kubernetesversion": {"1.35"}, "eks:authenticationmode": {"API"}, "eks:supporttype": {"STANDARD"},
		"eks:bootstrapclustercreatoradminpermissions": {"false"}, "eks:bootstrapselfmanagedaddons": {"true"}, "eks:deletionprotection": {"false"},
		"eks:endpointpublicaccess": {"true"}, "eks:endpointprivateaccess": {"false"},
		"eks:loggingtype/api": {"true"}, "eks:loggingtype/controllermanager": {"true"}, "eks:loggingtype/audit": {"false"},
		"eks:computeconfigenabled": {"false"}, "eks:elasticloadbalancingenabled": {"false"}, "eks:blockstorageenabled": {"false"},
		"eks:zonalshiftenabled": {"true"}, "eks:controlplanescalingtier": {"tier-xl"}, "eks:kubeschedulerconfig": {"true"},
		"eks:encryptionconfigproviderkeyarns": {"arn:aws:kms:us-east-1:111122223333:key/k"},
	})

	w.deny = func(a iam.Access) bool { return slices.Equal(a.Context["eks:deletionprotection"], []string{"false"}) }
	_, err = w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(false)})
	wantError(t, err, minato.Denied, "eks:UpdateClusterConfig")
	for _, change := range []struct {
		request UpdateClusterConfigRequest
		want    conditions
	}{
		{UpdateClusterConfigRequest{AuthenticationMode: new("API")}, conditions{"eks:authenticationmode": {"API"}}},
		{UpdateClusterConfigRequest{SupportType: new("STANDARD")}, conditions{"eks:supporttype": {"STANDARD"}}},
		{UpdateClusterConfigRequest{VPC: &VPCRequest{EndpointPublicAccess: new(true)}}, conditions{"eks:endpointpublicaccess": {"true"}}},
		{UpdateClusterConfigRequest{Logging: []LogSetup{{Types: []string{"api"}, Enabled: true}}}, conditions{"eks:loggingtype/api": {"true"}}},
	} {
		change.request.Name = "prod"
		_, _ = w.UpdateClusterConfig(t.Context(), alice, change.request)
		check("eks:UpdateClusterConfig", change.want)
	}
	_, _ = w.UpdateClusterVersion(t.Context(), alice, UpdateClusterVersionRequest{Name: "prod", Version: "1.36"})
	check("eks:UpdateClusterVersion", conditions{"eks:kubernetesversion": {"1.36"}})
}

func TestConditionKeysOfAccessEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newActive(t, w, "API")
	view := policyARN("AmazonEKSViewPolicy").String()
	entry := func(more conditions) conditions {
		keys := conditions{
			"eks:clustername": {"prod"}, "eks:principalarn": {opsRole}, "eks:accessentrytype": {"STANDARD"}, "eks:username": {"ops"}, "eks:kubernetesgroups": {"sre"},
		}
		maps.Copy(keys, more)
		return keys
	}
	for _, step := range []struct {
		action string
		do     func() error
		want   conditions
	}{
		{"eks:DescribeAccessEntry", func() error {
			_, _, err := w.DescribeAccessEntry(t.Context(), alice, "prod", opsRole)
			if minato.Is(err, minato.NotFound) {
				return nil
			}
			return err
		}, conditions{"eks:clustername": {"prod"}, "eks:principalarn": {opsRole}}},
		{"eks:CreateAccessEntry", func() error {
			_, _, err := w.CreateAccessEntry(t.Context(), alice, CreateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole, Username: "ops", Groups: []string{"sre"}})
			return err
		}, conditions{"eks:principalarn": {opsRole}, "eks:accessentrytype": {"STANDARD"}, "eks:username": {"ops"}, "eks:kubernetesgroups": {"sre"}}},
		{"eks:AssociateAccessPolicy", func() error {
			_, _, err := w.AssociateAccessPolicy(t.Context(), alice, AssociateAccessPolicyRequest{
				ClusterName: "prod", PrincipalARN: opsRole, PolicyARN: view, ScopeType: "namespace", Namespaces: []string{"dev-*"},
			})
			return err
		}, entry(conditions{"eks:policyarn": {view}, "eks:accessscope": {"namespace"}, "eks:namespaces": {"dev-*"}})},
		{"eks:DisassociateAccessPolicy", func() error { return w.DisassociateAccessPolicy(t.Context(), alice, "prod", opsRole, view) },
			entry(conditions{"eks:policyarn": {view}, "eks:accessscope": {"namespace"}, "eks:namespaces": {"dev-*"}})},
		{"eks:TagResource", func() error {
			cluster, e, err := w.DescribeAccessEntry(t.Context(), alice, "prod", opsRole)
			if err == nil {
				err = w.TagResource(t.Context(), alice, e.ARN(&cluster).String(), minato.Tags{"k": "v"})
			}
			if err == nil {
				err = w.UntagResource(t.Context(), alice, e.ARN(&cluster).String(), []string{"k"})
			}
			return err
		}, entry(nil)},
		{"eks:UpdateAccessEntry", func() error {
			_, _, err := w.UpdateAccessEntry(t.Context(), alice, UpdateAccessEntryRequest{ClusterName: "prod", PrincipalARN: opsRole, Groups: []string{"dev"}})
			return err
		}, entry(conditions{"eks:kubernetesgroups": {"dev"}})},
		{"eks:DeleteAccessEntry", func() error { return w.DeleteAccessEntry(t.Context(), alice, "prod", opsRole) }, entry(conditions{"eks:kubernetesgroups": {"dev"}})},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.action, err)
		}
		if diff := cmp.Diff(step.want, w.lastKeys(step.action)); diff != "" {
			t.Errorf("%s: -want +got\n%s", step.action, diff)
		}
	}
}
