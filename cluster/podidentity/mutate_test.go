package podidentity_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato/cluster/podidentity"
)

var settings = podidentity.Settings{
	Region: "eu-west-1", Endpoint: "http://192.0.2.1:4566", Jitter: func(n int) int { return n - 1 },
}

var (
	associated = podidentity.ServiceAccount{Associated: true}
	annotated  = podidentity.ServiceAccount{Annotations: map[string]string{"eks.amazonaws.com/role-arn": roleARN}}
)

const roleARN = "arn:aws:iam::111122223333:role/app"

// What a container without variables of its own gets.
const (
	common     = `{"name":"AWS_STS_REGIONAL_ENDPOINTS","value":"regional"},{"name":"AWS_DEFAULT_REGION","value":"eu-west-1"},{"name":"AWS_REGION","value":"eu-west-1"}`
	region     = `{"name":"AWS_DEFAULT_REGION","value":"eu-west-1"},{"name":"AWS_REGION","value":"eu-west-1"}`
	podPair    = `{"name":"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"http://169.254.170.23/v1/credentials"},{"name":"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE","value":"/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"}`
	irsaPair   = `{"name":"AWS_ROLE_ARN","value":"` + roleARN + `"},{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}`
	endpoint   = `{"name":"AWS_ENDPOINT_URL","value":"http://192.0.2.1:4566"}`
	endpoints  = endpoint + `,{"name":"AWS_ENDPOINT_URL_STS","value":"http://192.0.2.1:4566"}`
	podMount   = `{"mountPath":"/var/run/secrets/pods.eks.amazonaws.com/serviceaccount","name":"eks-pod-identity-token","readOnly":true}`
	irsaMount  = `{"mountPath":"/var/run/secrets/eks.amazonaws.com/serviceaccount","name":"aws-iam-token","readOnly":true}`
	podAll     = common + "," + podPair + "," + endpoint
	irsaAll    = common + "," + irsaPair + "," + endpoints
	labelAlone = `{"op":"add","path":"/metadata/labels","value":{"eks.amazonaws.com/pod-identity":"enabled"}}`
	labelMore  = `{"op":"add","path":"/metadata/labels/eks.amazonaws.com~1pod-identity","value":"enabled"}`
	onlyVolume = "/spec/volumes"
	onTop      = "/spec/volumes/0"
)

func list(path, items string) string {
	return fmt.Sprintf(`{"op":"add","path":%q,"value":[%s]}`, path, items)
}

func token(path, name, audience, file string, seconds int) string {
	v := fmt.Sprintf(`{"name":%q,"projected":{"sources":[{"serviceAccountToken":{"audience":%q,"expirationSeconds":%d,"path":%q}}]}}`, name, audience, seconds, file)
	if path == onlyVolume {
		v = "[" + v + "]"
	}
	return fmt.Sprintf(`{"op":"add","path":%q,"value":%s}`, path, v)
}

func podToken(path string, seconds int) string {
	return token(path, "eks-pod-identity-token", "pods.eks.amazonaws.com", "eks-pod-identity-token", seconds)
}

func irsaToken(path string, seconds int) string {
	return token(path, "aws-iam-token", "sts.amazonaws.com", "token", seconds)
}

// TestMutate is the documented behaviour of EKS's webhook.
func TestMutate(t *testing.T) {
	t.Parallel()
	ipv6 := settings
	ipv6.IPv6 = true
	bare := settings
	bare.Endpoint = ""
	account := func(associated bool, annotations map[string]string) podidentity.ServiceAccount {
		all := map[string]string{"eks.amazonaws.com/role-arn": roleARN}
		for k, v := range annotations {
			all["eks.amazonaws.com/"+k] = v
		}
		return podidentity.ServiceAccount{Associated: associated, Annotations: all}
	}
	for name, c := range map[string]struct {
		settings podidentity.Settings
		account  podidentity.ServiceAccount
		pod      string
		want     []string
	}{
		"neither": {settings, podidentity.ServiceAccount{}, `{"spec":{"containers":[{"name":"a"}]}}`, nil},
		"Pod Identity": {settings, associated, `{"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", podAll), list("/spec/containers/0/volumeMounts", podMount), podToken(onlyVolume, 86400), labelAlone,
		}},
		"IRSA": {settings, annotated, `{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", irsaAll), list("/spec/containers/0/volumeMounts", irsaMount), irsaToken(onlyVolume, 86400),
		}},
		"Pod Identity goes before IRSA": {settings, account(true, nil), `{"metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", podAll), list("/spec/containers/0/volumeMounts", podMount), podToken(onlyVolume, 86400), labelMore,
		}},
		"all containers, and what they have": {bare, associated, `{"spec":{"hostNetwork":true,
			"initContainers":[{"name":"i","env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}}],"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
			"containers":[{"name":"a"},{"name":"b"}],"volumes":[{"name":"v","emptyDir":{}}]}}`, []string{
			list("/spec/initContainers/0/env", `{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}},`+common+","+podPair),
			list("/spec/initContainers/0/volumeMounts", `{"name":"v","mountPath":"/v"},`+podMount),
			list("/spec/containers/0/env", common+","+podPair), list("/spec/containers/0/volumeMounts", podMount),
			list("/spec/containers/1/env", common+","+podPair), list("/spec/containers/1/volumeMounts", podMount),
			podToken(onTop, 86400), labelAlone,
		}},
		"IPv6": {ipv6, associated, `{"spec":{"containers":[{"name":"a","env":[{"name":"AWS_ENDPOINT_URL","value":"x"}]}]}}`, []string{
			list("/spec/containers/0/env", `{"name":"AWS_ENDPOINT_URL","value":"x"},`+common+`,{"name":"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"http://[fd00:ec2::23]/v1/credentials"},`+podPair[len(`{"name":"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"http://169.254.170.23/v1/credentials"},`):]),
			list("/spec/containers/0/volumeMounts", podMount), podToken(onlyVolume, 86400), labelAlone,
		}},
		"skipped containers": {settings, associated, `{"metadata":{"annotations":{"eks.amazonaws.com/skip-containers":"b, i"}},"spec":{"initContainers":[{"name":"i"}],"containers":[{"name":"a"},{"name":"b"}]}}`, []string{
			list("/spec/containers/0/env", podAll), list("/spec/containers/0/volumeMounts", podMount), podToken(onlyVolume, 86400), labelAlone,
		}},
		"all skipped":    {settings, associated, `{"metadata":{"annotations":{"eks.amazonaws.com/skip-containers":"a"}},"spec":{"containers":[{"name":"a"}]}}`, nil},
		"the skip label": {settings, associated, `{"metadata":{"labels":{"eks.amazonaws.com/skip-pod-identity-webhook":""}},"spec":{"containers":[{"name":"a"}]}}`, nil},
		"no container":   {settings, associated, `{"spec":{}}`, nil},
		"one of the pair": {settings, associated, `{"spec":{"containers":[{"name":"a","env":[{"name":"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE","value":"x"}]}]}}`, []string{
			list("/spec/containers/0/env", `{"name":"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE","value":"x"},`+common+","+endpoint), podToken(onlyVolume, 86400), labelAlone,
		}},
		"one of the regions, and STS": {settings, annotated, `{"spec":{"containers":[{"name":"a","env":[{"name":"AWS_REGION","value":"x"},{"name":"AWS_STS_REGIONAL_ENDPOINTS","value":"legacy"}]}]}}`, []string{
			list("/spec/containers/0/env", `{"name":"AWS_REGION","value":"x"},{"name":"AWS_STS_REGIONAL_ENDPOINTS","value":"legacy"},`+irsaPair+","+endpoints),
			list("/spec/containers/0/volumeMounts", irsaMount), irsaToken(onlyVolume, 86400),
		}},
		"mounted and there": {settings, annotated, `{"spec":{"containers":[{"name":"a","volumeMounts":[{"name":"aws-iam-token","mountPath":"/mine"}]}],"volumes":[{"name":"aws-iam-token"}]}}`, []string{
			list("/spec/containers/0/env", irsaAll),
		}},
		"the path is taken": {settings, annotated, `{"spec":{"containers":[{"name":"a","volumeMounts":[{"name":"v","mountPath":"/var/run/secrets/eks.amazonaws.com/serviceaccount"}]}]}}`, []string{
			list("/spec/containers/0/env", irsaAll), irsaToken(onlyVolume, 86400),
		}},
		"the pod's expiration": {settings, account(true, map[string]string{"token-expiration": "7200"}), `{"metadata":{"annotations":{"eks.amazonaws.com/token-expiration":"3600"}},"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", podAll), list("/spec/containers/0/volumeMounts", podMount), podToken(onlyVolume, 3600), labelAlone,
		}},
		"the account's expiration": {settings, account(false, map[string]string{"token-expiration": "7200"}), `{"metadata":{"annotations":{"eks.amazonaws.com/token-expiration":"soon"}},"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", irsaAll), list("/spec/containers/0/volumeMounts", irsaMount), irsaToken(onlyVolume, 7200),
		}},
		"too short": {settings, account(false, map[string]string{"token-expiration": "5"}), `{"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", irsaAll), list("/spec/containers/0/volumeMounts", irsaMount), irsaToken(onlyVolume, 600),
		}},
		"too long": {settings, account(false, map[string]string{"token-expiration": "5000000000"}), `{"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", irsaAll), list("/spec/containers/0/volumeMounts", irsaMount), irsaToken(onlyVolume, 1<<32),
		}},
		"audience and global STS": {settings, account(false, map[string]string{"audience": "vault", "sts-regional-endpoints": "false"}), `{"spec":{"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", region+","+irsaPair+","+endpoints), list("/spec/containers/0/volumeMounts", irsaMount), token(onlyVolume, "aws-iam-token", "vault", "token", 86400),
		}},
		"Windows": {bare, annotated, `{"spec":{"nodeSelector":{"kubernetes.io/os":"windows"},"containers":[{"name":"a"}]}}`, []string{
			list("/spec/containers/0/env", common+`,{"name":"AWS_ROLE_ARN","value":"`+roleARN+`"},{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"C:\\var\\run\\secrets\\eks.amazonaws.com\\serviceaccount\\token"}`),
			list("/spec/containers/0/volumeMounts", irsaMount), irsaToken(onlyVolume, 86400),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops, err := podidentity.Mutate(c.settings, c.account, []byte(c.pod))
			if err != nil {
				t.Fatal(err)
			}
			var got, want []any
			for _, op := range ops {
				got = append(got, decode(t, op))
			}
			for _, op := range c.want {
				want = append(want, decode(t, json.RawMessage(op)))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}

func decode(t *testing.T, v any) (out any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestJitter is that tokens that nobody gives a lifetime live between 22 hours and a day.
func TestJitter(t *testing.T) {
	t.Parallel()
	s := settings
	for _, edge := range []int{0, 7200} {
		s.Jitter = func(n int) int {
			if n != 7201 {
				t.Errorf("asked for a number below %d", n)
			}
			return edge
		}
		ops, err := podidentity.Mutate(s, annotated, []byte(`{"spec":{"containers":[{"name":"a"}]}}`))
		if err != nil || len(ops) != 3 {
			t.Fatal(ops, err)
		}
		if diff := cmp.Diff(decode(t, json.RawMessage(irsaToken(onlyVolume, 79200+edge))), decode(t, ops[2])); diff != "" {
			t.Error(diff)
		}
	}
}

// FuzzMutate looks for a pod that panics, or whose patch is no JSON.
func FuzzMutate(f *testing.F) {
	f.Add([]byte(`{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","env":[{"name":"A"},1]}],"volumes":[{"name":"v"}]}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, pod []byte) {
		for _, a := range []podidentity.ServiceAccount{associated, annotated} {
			if ops, err := podidentity.Mutate(settings, a, pod); err == nil {
				if _, err := json.Marshal(ops); err != nil {
					t.Errorf("%q: %v", pod, err)
				}
			}
		}
	})
}
