package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// addon is what DescribeAddon answers.
type addon struct {
	Status, AddonVersion, ConfigurationValues string
	Health                                    struct {
		Issues []struct{ Code, Message string }
	}
}

func (k *cluster) addon(t *testing.T, name string) (a addon) {
	t.Helper()
	out := k.client.AWS(t, "eks", "describe-addon", "--cluster-name", k.name, "--addon-name", name, "--query", "addon", "--output", "json")
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// addonIs waits until an add-on has a status, with an issue of a code if one is given.
func (k *cluster) addonIs(t *testing.T, name, status, issue string) (a addon) {
	t.Helper()
	testenv.Eventually(t, func() error {
		a = k.addon(t, name)
		if a.Status != status || len(a.Health.Issues) > 0 != (issue != "") || issue != "" && a.Health.Issues[0].Code != issue {
			return fmt.Errorf("%s is %+v, want %s %s", name, a, status, issue)
		}
		return nil
	})
	return a
}

func (k *cluster) updateAddon(t *testing.T, name string, flags ...string) (id string) {
	t.Helper()
	return k.client.AWS(t, append([]string{"eks", "update-addon", "--cluster-name", k.name, "--addon-name", name, "--query", "update.id", "--output", "text"}, flags...)...)
}

// updated is the status and the error codes of an update of an add-on.
func (k *cluster) updated(t *testing.T, name, id string) string {
	t.Helper()
	return k.client.AWS(t, "eks", "describe-update", "--name", k.name, "--addon-name", name, "--update-id", id,
		"--query", "join(' ', [update.status, update.errors[].errorCode][])", "--output", "text")
}

// replicas is how many replicas the Deployment coredns wants; empty when there is none.
func (k *cluster) replicas(t *testing.T) string {
	t.Helper()
	return k.kubectl(t, "-n", "kube-system", "get", "deployment", "coredns", "--ignore-not-found", "-o", "jsonpath={.spec.replicas}")
}

// TestDefaultAddons is what a cluster comes with.
func TestDefaultAddons(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	k := createCluster(t, e.Admin(t), "defaults")
	testenv.Eventually(t, func() error {
		have := k.kubectl(t, "-n", "kube-system", "get", "deployments,daemonsets", "-o", "name")
		if have != "deployment.apps/coredns\ndaemonset.apps/aws-node\ndaemonset.apps/kube-proxy" {
			return fmt.Errorf("it has %q", have)
		}
		return nil
	})
	if dns := k.kubectl(t, "-n", "kube-system", "get", "service", "kube-dns", "-o", "jsonpath={.spec.clusterIP}"); dns != "10.100.0.10" {
		t.Errorf("DNS is at %s", dns)
	}
	if listed := k.client.AWS(t, "eks", "list-addons", "--cluster-name", k.name, "--query", "addons", "--output", "text"); listed != "" {
		t.Errorf("list-addons shows %q", listed)
	}
	// They are the owner's: what is deleted stays away.
	k.kubectl(t, "-n", "kube-system", "delete", "daemonset", "kube-proxy")
	k.client.AWS(t, "eks", "update-cluster-config", "--name", k.name, "--logging", `{"clusterLogging":[{"types":["audit"],"enabled":true}]}`)
	k.waitActive(t)
	if have := k.kubectl(t, "-n", "kube-system", "get", "daemonsets", "-o", "name"); have != "daemonset.apps/aws-node" {
		t.Errorf("after an update of the cluster it has %q", have)
	}
	k.delete(t)
	bare := createCluster(t, e.Admin(t), "bare", "--no-bootstrap-self-managed-addons")
	bare.client.AWS(t, "eks", "create-addon", "--cluster-name", bare.name, "--addon-name", "kube-proxy")
	bare.client.AWS(t, "eks", "wait", "addon-active", "--cluster-name", bare.name, "--addon-name", "kube-proxy")
	if have := bare.kubectl(t, "-n", "kube-system", "get", "deployments,daemonsets", "-o", "name"); have != "daemonset.apps/kube-proxy" {
		t.Errorf("without the default add-ons it has %q", have)
	}
	bare.delete(t)
}

// TestDefaultAddonsKilled kills the server when a cluster has just become active: it gets its add-ons all the same.
func TestDefaultAddonsKilled(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "prod")
	e.Kill(t)
	e.Up(t)
	testenv.Eventually(t, func() error {
		if k.replicas(t) != "2" {
			return fmt.Errorf("there is no coredns")
		}
		return nil
	})
}

// TestAddon takes an add-on through conflicts, updates, and the deletion of its objects, on a cluster without nodes.
func TestAddon(t *testing.T) {
	t.Parallel()
	k := createCluster(t, testenv.Shared(t).Admin(t), "addons")
	testenv.Eventually(t, func() error {
		if k.replicas(t) != "2" {
			return fmt.Errorf("there is no coredns")
		}
		return nil
	})
	create := []string{"eks", "create-addon", "--cluster-name", k.name, "--addon-name", "coredns"}
	const first, second = "v1.15.0-minatobuild.1", "v1.15.0-minatobuild.2"

	// The owner has changed what the cluster came with.
	k.kubectl(t, "-n", "kube-system", "scale", "deployment", "coredns", "--replicas", "3")
	role := k.client.AWS(t, "iam", "create-role", "--role-name", "addons-dns", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	k.client.AWS(t, append(create, "--addon-version", first, "--pod-identity-associations", "serviceAccount=coredns,roleArn="+role)...)
	a := k.addonIs(t, "coredns", "CREATE_FAILED", "ConfigurationConflict")
	if want := "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode. Conflicts:\nDeployment.apps coredns - .spec.replicas"; a.Health.Issues[0].Message != want {
		t.Errorf("the issue says %q, want %q", a.Health.Issues[0].Message, want)
	}
	k.client.AWS(t, "eks", "delete-addon", "--cluster-name", k.name, "--addon-name", "coredns", "--preserve")
	k.client.AWS(t, "eks", "wait", "addon-deleted", "--cluster-name", k.name, "--addon-name", "coredns")
	if n := k.replicas(t); n != "3" {
		t.Errorf("coredns was to be preserved, and has %q replicas", n)
	}
	if left := k.client.AWS(t, "eks", "list-pod-identity-associations", "--cluster-name", k.name, "--query", "associations[].[serviceAccount,ownerArn]", "--output", "text"); left != "coredns\tNone" {
		t.Errorf("of its associations is left %q", left)
	}
	const values = "replicaCount:   4 # as it came\n"
	k.client.AWS(t, append(create, "--addon-version", first, "--resolve-conflicts", "OVERWRITE", "--configuration-values", values)...)
	// Without nodes nothing can run.
	if a = k.addonIs(t, "coredns", "DEGRADED", "InsufficientNumberOfReplicas"); a.ConfigurationValues != values || k.replicas(t) != "4" {
		t.Errorf("values %q, %s replicas", a.ConfigurationValues, k.replicas(t))
	}

	k.kubectl(t, "-n", "kube-system", "scale", "deployment", "coredns", "--replicas", "1")
	failed := k.updateAddon(t, "coredns", "--addon-version", second)
	if a = k.addonIs(t, "coredns", "UPDATE_FAILED", "ConfigurationConflict"); a.AddonVersion != first {
		t.Errorf("after an update that failed it has the version %s", a.AddonVersion)
	}
	preserved := k.updateAddon(t, "coredns", "--addon-version", second, "--resolve-conflicts", "PRESERVE")
	if a = k.addonIs(t, "coredns", "DEGRADED", "InsufficientNumberOfReplicas"); a.AddonVersion != second || k.replicas(t) != "1" {
		t.Errorf("version %s, %s replicas", a.AddonVersion, k.replicas(t))
	}
	overwritten := k.updateAddon(t, "coredns", "--resolve-conflicts", "OVERWRITE")
	k.addonIs(t, "coredns", "DEGRADED", "InsufficientNumberOfReplicas")
	if n := k.replicas(t); n != "4" {
		t.Errorf("overwritten, it has %s replicas", n)
	}
	for id, want := range map[string]string{failed: "Failed ConfigurationConflict", preserved: "Successful", overwritten: "Successful"} {
		if got := strings.TrimSpace(k.updated(t, "coredns", id)); got != want {
			t.Errorf("update %s is %q, want %q", id, got, want)
		}
	}

	// What an add-on consists of is there again when somebody deletes it.
	k.kubectl(t, "-n", "kube-system", "delete", "deployment/coredns", "configmap/coredns", "--wait=false")
	testenv.Eventually(t, func() error {
		r := k.client.TryKubectl(t, k.config, "-n", "kube-system", "get", "deployment/coredns", "configmap/coredns")
		if r.ExitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	k.client.AWS(t, "eks", "delete-addon", "--cluster-name", k.name, "--addon-name", "coredns")
	k.client.AWS(t, "eks", "wait", "addon-deleted", "--cluster-name", k.name, "--addon-name", "coredns")
	if left := k.kubectl(t, "-n", "kube-system", "get", "deployment,service,configmap,serviceaccount,pdb", "-o", "name"); strings.Contains(left, "dns") {
		t.Errorf("left behind: %s", left)
	}
	k.delete(t)
}

// TestAddonRefused asks for add-ons that cannot be.
func TestAddonRefused(t *testing.T) {
	t.Parallel()
	k := createCluster(t, testenv.Shared(t).Admin(t), "no-addon")
	for what, texts := range map[string][]string{
		"--addon-name coredns --addon-version v9":                                  {"InvalidParameterException", "Addon version specified is not supported"},
		"--addon-name aws-mountpoint-s3-csi-driver":                                {"InvalidParameterException", "Addon aws-mountpoint-s3-csi-driver specified is not supported"},
		`--addon-name coredns --configuration-values {"x":1}`:                      {"ConfigurationValue provided in request is not supported: Json schema validation failed with error: [$.x: is not defined in the schema and the schema does not allow additional properties]"},
		"--addon-name coredns --namespace-config namespace=elsewhere":              {"namespaceConfig is not supported"},
		"--addon-name vpc-cni --service-account-role-arn arn:aws:iam::1:role/gone": {"InvalidParameterException"},
	} {
		k.client.RefusedAWS(t, texts, append([]string{"eks", "create-addon", "--cluster-name", k.name}, strings.Fields(what)...)...)
	}
	// A webhook of the owner's may refuse an add-on's objects; nothing of it is installed then.
	k.kubectl(t, "create", "-f", k.file(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"no-metrics"},"spec":{
		"failurePolicy":"Fail","matchConstraints":{"resourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["deployments"]}]},
		"validations":[{"expression":"object.metadata.name != 'metrics-server'","message":"no metrics here"}]}}`))
	k.kubectl(t, "create", "-f", k.file(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"no-metrics"},
		"spec":{"policyName":"no-metrics","validationActions":["Deny"]}}`))
	testenv.Eventually(t, func() error {
		r := k.client.TryKubectl(t, k.config, "create", "deployment", "metrics-server", "--image", "none", "--dry-run=server")
		if !strings.Contains(r.Stderr, "no metrics here") {
			return fmt.Errorf("the policy does not hold yet: %s", r)
		}
		return nil
	})
	k.client.AWS(t, "eks", "create-addon", "--cluster-name", k.name, "--addon-name", "metrics-server", "--namespace-config", "namespace=monitoring")
	if a := k.addonIs(t, "metrics-server", "CREATE_FAILED", "AdmissionRequestDenied"); !strings.Contains(a.Health.Issues[0].Message, "no metrics here") {
		t.Errorf("the issue says %q", a.Health.Issues[0].Message)
	}
	if left := k.kubectl(t, "-n", "monitoring", "get", "serviceaccounts,services", "-o", "name"); strings.Contains(left, "metrics-server") {
		t.Errorf("installed in part: %s", left)
	}
	k.kubectl(t, "delete", "validatingadmissionpolicybinding", "no-metrics")
	k.client.AWS(t, "eks", "delete-cluster", "--name", k.name)
	k.client.AWS(t, "eks", "wait", "cluster-deleted", "--name", k.name)
}

// file leaves a manifest in a file.
func (k *cluster) file(t *testing.T, manifest string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAddonHeals gives an add-on that cannot run the nodes that it lacks, and takes it through an update on them.
func TestAddonHeals(t *testing.T) {
	t.Parallel()
	e := testenv.Start(t, testenv.Options{})
	k := createCluster(t, e.Admin(t), "heals", "--no-bootstrap-self-managed-addons")
	k.client.AWS(t, "eks", "create-addon", "--cluster-name", k.name, "--addon-name", "coredns", "--addon-version", "v1.15.0-minatobuild.1")
	k.addonIs(t, "coredns", "DEGRADED", "InsufficientNumberOfReplicas")
	k.client.AWS(t, "eks", "create-nodegroup", "--cluster-name", k.name, "--nodegroup-name", "ng",
		"--node-role", createNodeRole(t, k.client, "heals-nodes"), "--subnets", firstSubnet(t, k.client),
		"--labels", "minato.dev/node=simulated", "--scaling-config", "minSize=1,desiredSize=2,maxSize=2")
	k.addonIs(t, "coredns", "ACTIVE", "")
	id := k.updateAddon(t, "coredns", "--addon-version", "v1.15.0-minatobuild.2")
	if a := k.addonIs(t, "coredns", "ACTIVE", ""); a.AddonVersion != "v1.15.0-minatobuild.2" || strings.TrimSpace(k.updated(t, "coredns", id)) != "Successful" {
		t.Errorf("%+v; the update is %s", a, k.updated(t, "coredns", id))
	}
	// A killed server forgets nothing, and the add-ons go with the cluster.
	e.Kill(t)
	e.Up(t)
	k.addonIs(t, "coredns", "ACTIVE", "")
	k.client.AWS(t, "eks", "delete-nodegroup", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.client.AWS(t, "eks", "wait", "nodegroup-deleted", "--cluster-name", k.name, "--nodegroup-name", "ng")
	k.addonIs(t, "coredns", "DEGRADED", "InsufficientNumberOfReplicas")
	k.delete(t)
}
