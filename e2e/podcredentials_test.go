package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"

	"minato.dev/minato/internal/testenv"
)

// federated lets pods of a ServiceAccount assume a role by the tokens of a cluster's issuer.
const federated = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%[1]s"},"Action":"sts:AssumeRoleWithWebIdentity",
"Condition":{"StringEquals":{"%[2]s:aud":"sts.amazonaws.com","%[2]s:sub":"system:serviceaccount:default:irsa"}}}]}`

// TestPodCredentials is the AWS SDKs for Go and for JavaScript, and the AWS CLI, in real pods on a real node, which nobody has told anything: with EKS Pod
// Identity they have the role of their association, with IRSA that of their annotation; and they go on while the server is away. Minato's
// clock is another than the machine's, by which the SDKs and the agent go. In the end the cluster is one that runs elsewhere.
func TestPodCredentials(t *testing.T) {
	t.Parallel()
	testenv.NeedNodes(t)
	e := testenv.Start(t, testenv.Options{Args: []string{"--account", "111122223333,444455556666", "--test-clock", "2026-10-01"}})
	admin := e.Admin(t)
	k := createCluster(t, admin, "credentials")
	admin.AWS(t, "eks", "create-addon", "--cluster-name", k.name, "--addon-name", "eks-pod-identity-agent")
	role := admin.AWS(t, "iam", "create-role", "--role-name", "credentials-app", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	associate(t, admin, k.name, "app", role)
	k.irsaRole(t, "credentials-irsa")
	readableData(t, admin, "credentials-app", "credentials-irsa")
	k.tagAssociations(t)
	k.targetRole(t, e.As(t, "444455556666"))
	k.fargateProfile(t, "credentials-fargate")
	images := sdkImages(t)
	for name, img := range images {
		if err := crane.Push(img, registryHost(t, e)+"/"+name+":v1", crane.WithAuth(login(admin)), crane.Insecure); err != nil {
			t.Fatal(err)
		}
	}
	k.addNode(t, e)
	k.kubectl(t, "-n", "kube-system", "rollout", "status", "daemonset/eks-pod-identity-agent", "--timeout=180s")

	k.kubectl(t, "run", "asker", "--image=minato.local/echo", "--image-pull-policy=IfNotPresent", "--", "sleep", "infinity")
	pods := sdkPods{cluster: k, ips: map[string]string{}}
	pods.add(t,
		sdkPod{name: "app"}, sdkPod{name: "irsa"}, sdkPod{name: "tagged"}, sdkPod{name: "untagged"}, sdkPod{name: "narrowed"}, sdkPod{name: "target"},
		sdkPod{name: "host", account: "app", more: ", hostNetwork: true"}, sdkPod{name: "js", account: "app", image: "sdkjs"}, sdkPod{name: "js-irsa", account: "irsa", image: "sdkjs"},
		sdkPod{name: "fargate", account: "app", labels: "runtime: fargate"})
	pods.testAgent(t)
	for pod, want := range map[string]string{
		"app": ":assumed-role/credentials-app/eks-credential-app-", "irsa": ":assumed-role/credentials-irsa/", "host": ":assumed-role/credentials-app/eks-credential-host-",
		"fargate": ":assumed-role/credentials-app/eks-credential-fargate-",
		"target":  "arn:aws:sts::444455556666:assumed-role/credentials-target/eks-credential-target-",
	} {
		pods.answers(t, pod, "whoami", want)
	}
	for pod, want := range map[string]string{
		"app": "hello", "host": "hello", "fargate": "hello", "target": "hello", "js": "hello", "js-irsa": "hello",
		"tagged":   "with an explicit deny in an identity-based policy", // by the tag that tells its namespace
		"untagged": "hello",
		"narrowed": "because no session policy allows the s3:GetObject action",
	} {
		pods.answers(t, pod, "read", want)
	}
	for _, pod := range []string{"app", "js", "js-irsa"} {
		pods.answers(t, pod, "write", "AccessDenied")
	}
	if images["awscli"] != nil {
		pods.testAWS(t)
	}
	pods.answers(t, "js", "credentials", "CREDENTIALS_HTTP ASIA")
	pods.answers(t, "js-irsa", "credentials", "CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN ASIA")
	before := pods.answers(t, "app", "credentials", "CredentialsEndpointProvider")
	e.Kill(t)
	if after := pods.ask(t, "app", "credentials"); after.Stdout != before {
		t.Errorf("with the server away a pod gets, not %q: %s", before, after)
	}
	e.Up(t)

	pods.testTogether(t)
	pods.testRenewal(t, e)
	pods.testThousand(t)
	pods.testKeyRotation(t, e)
	k.kubectl(t, "delete", "pod", "fargate") // and its node
	pods.testElsewhere(t, e, role)
}

// testAWS is the AWS CLI in pods. Where it does not run, packed as it is, the test says so: installations of it are of many kinds.
func (p sdkPods) testAWS(t *testing.T) {
	t.Helper()
	k := p.cluster
	p.add(t, sdkPod{name: "aws", account: "app", image: "awscli"}, sdkPod{name: "aws-irsa", account: "irsa", image: "awscli"})
	aws := func(pod string, args ...string) testenv.Result {
		return k.client.TryKubectl(t, k.config, append([]string{"exec", pod, "--", "aws"}, args...)...)
	}
	defer k.kubectl(t, "delete", "pod", "aws", "aws-irsa", "--now") // the node has room for 17
	if r := aws("aws", "s3api", "list-buckets", "--no-sign-request", "--endpoint-url=http://127.0.0.1:1"); !strings.Contains(r.Stderr, "Could not connect") {
		t.Logf("the AWS CLI is not run in pods: %s", r)
		return
	}
	for pod, role := range map[string]string{"aws": ":assumed-role/credentials-app/eks-credential-aws-", "aws-irsa": ":assumed-role/credentials-irsa/"} {
		for _, try := range []struct {
			args  []string
			wants string
		}{
			{[]string{"sts", "get-caller-identity"}, role},
			{[]string{"s3api", "get-object", "--bucket", "sdkpod-data", "--key", "file", "/tmp/file"}, `"ContentLength": 5`},
			{[]string{"s3api", "put-object", "--bucket", "sdkpod-data", "--key", "file", "--body", "/tmp/file"}, "AccessDenied"},
		} {
			if r := aws(pod, try.args...); !strings.Contains(r.Stdout+r.Stderr, try.wants) {
				t.Errorf("the AWS CLI in the pod %s, asked to %s, does not say %q: %s", pod, strings.Join(try.args, " "), try.wants, r)
			}
		}
	}
}

// testElsewhere has the cluster be one that its server knows by its issuer and keys only, with the agent that the manifest gives its nodes.
func (p sdkPods) testElsewhere(t *testing.T, e *testenv.Env, role string) {
	t.Helper()
	k, name := p.cluster, "credentials-elsewhere"
	k.client.AWS(t, "eks", "delete-addon", "--cluster-name", k.name, "--addon-name", "eks-pod-identity-agent")
	k.client.AWS(t, "eks", "wait", "addon-deleted", "--cluster-name", k.name, "--addon-name", "eks-pod-identity-agent")
	testenv.Eventually(t, func() error {
		if left := k.kubectl(t, "-n", "kube-system", "get", "pod", "-l", "app.kubernetes.io/name=eks-pod-identity-agent", "-o", "name"); left != "" {
			return fmt.Errorf("the add-on's agent is still there: %s", left)
		}
		return nil
	})
	cluster := k.register(t, name)
	key := agentKey(t, k.client, "credentials-agent", cluster)
	k.kubectl(t, "-n", "kube-system", "create", "secret", "generic", "eks-pod-identity-agent", "--from-literal=aws-access-key-id="+key[0], "--from-literal=aws-secret-access-key="+key[1])
	for i, address := range []string{"192.0.2.1", "127.0.0.1"} { // its nodes reach the server at another address than its kube-apiserver
		manifest := e.Minato(t, "identity", "manifest", "--cluster", name, "--address", address, "--image", "minato.local/eks/eks-pod-identity-agent:v1.0.0", "--home", string(e.Home))
		k.kubectl(t, "apply", "-f", k.file(t, strings.Split(manifest, "\n---\n")[i]))
	}
	k.kubectl(t, "-n", "kube-system", "rollout", "status", "daemonset/eks-pod-identity-agent", "--timeout=180s")
	k.client.AWS(t, "eks", "create-pod-identity-association", "--cluster-name", name, "--namespace", "default", "--service-account", "elsewhere", "--role-arn", role)
	p.add(t, sdkPod{name: "elsewhere"}, sdkPod{name: "elsewhere-js", account: "elsewhere", image: "sdkjs"})
	p.answers(t, "elsewhere", "whoami", ":assumed-role/credentials-app/eks-credential-elsewhere-")
	p.answers(t, "elsewhere-js", "read", "hello")
	p.answers(t, "elsewhere-js", "write", "AccessDenied")
}

// tagAssociations has pods of three ServiceAccounts with one role, which may read but for pods with the tag of the namespace default: one
// is tagged, one is not, and one has a session policy that does not let it read.
func (k *cluster) tagAssociations(t *testing.T) {
	t.Helper()
	role := k.client.AWS(t, "iam", "create-role", "--role-name", "credentials-tagged", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	k.client.AWS(t, "iam", "put-role-policy", "--role-name", "credentials-tagged", "--policy-name", "read", "--policy-document", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:*","Resource":"*"},
		{"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/kubernetes-namespace":"default"}}}]}`)
	associate(t, k.client, k.name, "tagged", role)
	for account, more := range map[string][]string{
		"untagged": nil,
		"narrowed": {"--policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`},
	} {
		k.client.AWS(t, append([]string{"eks", "create-pod-identity-association", "--cluster-name", k.name, "--namespace", "default", "--service-account", account,
			"--role-arn", role, "--disable-session-tags"}, more...)...)
	}
}

// targetRole gives the pods of the ServiceAccount target a role of another account, which the bucket lets read.
func (k *cluster) targetRole(t *testing.T, elsewhere *testenv.Client) {
	t.Helper()
	role := k.client.AWS(t, "iam", "create-role", "--role-name", "credentials-first", "--assume-role-policy-document", podTrust, "--query", "Role.Arn", "--output", "text")
	target := elsewhere.AWS(t, "iam", "create-role", "--role-name", "credentials-target", "--query", "Role.Arn", "--output", "text", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":["sts:AssumeRole","sts:TagSession"],
		"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-service-account":"target"}}}]}`)
	elsewhere.AWS(t, "iam", "put-role-policy", "--role-name", "credentials-target", "--policy-name", "read", "--policy-document", strings.ReplaceAll(bucketReader, "e2e-data", "sdkpod-data"))
	k.client.AWS(t, "iam", "put-role-policy", "--role-name", "credentials-first", "--policy-name", "enter", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Resource":"`+target+`"}]}`)
	k.client.AWS(t, "s3api", "put-bucket-policy", "--bucket", "sdkpod-data", "--policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+target+`"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::sdkpod-data/*"}]}`)
	k.client.AWS(t, "eks", "create-pod-identity-association", "--cluster-name", k.name, "--namespace", "default", "--service-account", "target",
		"--role-arn", role, "--target-role-arn", target)
}

// sdkPods are pods that do what they are asked with an AWS SDK, and the pod asker that asks them.
type sdkPods struct {
	cluster *cluster
	ips     map[string]string
}

// sdkPod is one of them: of the ServiceAccount of its own name and with e2e/sdkpod, unless it says otherwise.
type sdkPod struct {
	name, account, image string
	more                 string // of its spec
	labels               string
}

// add makes pods, with ServiceAccounts that are not there, and waits for all.
func (p sdkPods) add(t *testing.T, pods ...sdkPod) {
	t.Helper()
	var all strings.Builder
	for _, pod := range pods {
		if pod.account == "" {
			pod.account = pod.name
			if pod.name != "irsa" && pod.name != "app" { // which are there, with their annotation
				fmt.Fprintf(&all, "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: %s, namespace: default}}\n", pod.name)
			}
		}
		if pod.image == "" {
			pod.image = "sdkpod"
		}
		fmt.Fprintf(&all, "---\n{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default, labels: {%s}}, spec: {serviceAccountName: %s, containers: [{name: main, image: 'minato.local/%s:v1'}]%s}}\n",
			pod.name, pod.labels, pod.account, pod.image, pod.more)
	}
	p.cluster.kubectl(t, "apply", "-f", p.cluster.file(t, all.String()))
	p.cluster.kubectl(t, "wait", "pod", "--all", "--for=condition=Ready", "--timeout=180s")
	for pair := range strings.FieldsSeq(p.cluster.kubectl(t, "get", "pod", "-o", "jsonpath={range .items[*]}{.metadata.name}={.status.podIP} {end}")) {
		name, ip, _ := strings.Cut(pair, "=")
		p.ips[name] = ip
	}
}

// ask has a pod do something.
func (p sdkPods) ask(t *testing.T, pod, what string) testenv.Result {
	t.Helper()
	return p.cluster.client.TryKubectl(t, p.cluster.config, "exec", "asker", "--", "get", "http://"+p.ips[pod]+":8080/"+what)
}

// answers is that a pod, which may have begun just now, comes to say something.
func (p sdkPods) answers(t *testing.T, pod, what, want string) (answer string) {
	t.Helper()
	testenv.Eventually(t, func() error {
		r := p.ask(t, pod, what)
		if r.ExitCode != 0 || !strings.Contains(r.Stdout, want) {
			return fmt.Errorf("the pod %s, asked to %s, does not say %q: %s", pod, what, want, r)
		}
		answer = r.Stdout
		return nil
	})
	return answer
}

// fargateProfile has pods with a label run on machines of their own, whose role may ask for their credentials.
func (k *cluster) fargateProfile(t *testing.T, role string) {
	t.Helper()
	subnet := strings.TrimSpace(k.client.Shell(t, privateSubnetScript))
	arn := k.client.AWS(t, "iam", "create-role", "--role-name", role, "--query", "Role.Arn", "--output", "text",
		"--assume-role-policy-document", strings.ReplaceAll(trust, "eks.amazonaws.com", "eks-fargate-pods.amazonaws.com"))
	k.client.AWS(t, "iam", "put-role-policy", "--role-name", role, "--policy-name", "agent", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks-auth:AssumeRoleForPodIdentity","Resource":"*"}]}`)
	k.client.AWS(t, "eks", "create-fargate-profile", "--cluster-name", k.name, "--fargate-profile-name", "alone", "--pod-execution-role-arn", arn,
		"--subnets", subnet, "--selectors", `[{"namespace":"default","labels":{"runtime":"fargate"}}]`)
	k.client.AWS(t, "eks", "wait", "fargate-profile-active", "--cluster-name", k.name, "--fargate-profile-name", "alone")
}

// readableData makes an object in S3 that roles may read.
func readableData(t *testing.T, c *testenv.Client, roles ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.AWS(t, "s3api", "create-bucket", "--bucket", "sdkpod-data")
	c.AWS(t, "s3api", "put-object", "--bucket", "sdkpod-data", "--key", "file", "--body", file)
	for _, role := range roles {
		c.AWS(t, "iam", "put-role-policy", "--role-name", role, "--policy-name", "read", "--policy-document", strings.ReplaceAll(bucketReader, "e2e-data", "sdkpod-data"))
	}
}

// irsaRole makes a role for the ServiceAccount irsa, and annotates app with it, too, which has an association.
func (k *cluster) irsaRole(t *testing.T, name string) {
	t.Helper()
	issuer := k.client.AWS(t, "eks", "describe-cluster", "--name", k.name, "--query", "cluster.identity.oidc.issuer", "--output", "text")
	provider := k.client.AWS(t, "iam", "create-open-id-connect-provider", "--url", issuer, "--client-id-list", "sts.amazonaws.com",
		"--query", "OpenIDConnectProviderArn", "--output", "text")
	file := filepath.Join(t.TempDir(), "trust.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, federated, provider, strings.TrimPrefix(issuer, "https://")), 0o600); err != nil {
		t.Fatal(err)
	}
	role := k.client.AWS(t, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", "file://"+file, "--query", "Role.Arn", "--output", "text")
	var accounts string
	for _, account := range []string{"irsa", "app"} {
		accounts += "---\n{apiVersion: v1, kind: ServiceAccount, metadata: {name: " + account + ", namespace: default, annotations: {eks.amazonaws.com/role-arn: '" + role + "'}}}\n"
	}
	k.kubectl(t, "apply", "-f", k.file(t, accounts))
}
