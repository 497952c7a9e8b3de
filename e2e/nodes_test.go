package e2e

import (
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// nodesTranscript is what the README tells a user to type for nodes and pods, to the letter but for port-forward's port.
const nodesTranscript = `
eval "$(minato env)"
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
SUBNETS=$(aws ec2 describe-subnets --query 'Subnets[0:2].SubnetId' --output text)
echo '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}' > node.json
aws iam create-role --role-name NAME-node --assume-role-policy-document file://node.json --query Role.Arn --output text
for POLICY in AmazonEKSWorkerNodePolicy AmazonEKS_CNI_Policy AmazonEC2ContainerRegistryReadOnly; do
    aws iam attach-role-policy --role-name NAME-node --policy-arn arn:aws:iam::aws:policy/$POLICY
done
aws eks create-nodegroup --cluster-name NAME --nodegroup-name ng --subnets $SUBNETS \
    --node-role arn:aws:iam::$ACCOUNT:role/NAME-node --scaling-config minSize=1,desiredSize=2,maxSize=3 --query nodegroup.status
aws eks wait nodegroup-active --cluster-name NAME --nodegroup-name ng
aws eks update-kubeconfig --name NAME
kubectl get nodes --no-headers
kubectl create deployment web --image=minato.local/echo && kubectl expose deployment web --port 80
kubectl wait --for=condition=Available deployment/web --timeout=180s
kubectl run probe --rm -i --quiet --restart=Never --image=minato.local/echo -- get http://web.default.svc.cluster.local
kubectl logs deploy/web
kubectl exec deploy/web -- ls /
kubectl port-forward deploy/web :80 > forward & FORWARD=$!
until grep -q 'Forwarding from 127' forward; do sleep 0.1; done
python3 -c 'import re, urllib.request as u; print(u.urlopen("http://127.0.0.1:" + re.search(r"127.0.0.1:(\d+)", open("forward").read())[1]).read().decode())'
kill $FORWARD
aws eks delete-nodegroup --cluster-name NAME --nodegroup-name ng --query nodegroup.status
aws eks wait nodegroup-deleted --cluster-name NAME --nodegroup-name ng
kubectl get nodes --no-headers 2>&1
aws ec2 describe-instances --filters Name=instance-state-name,Values=pending,running Name=tag:eks:cluster-name,Values=NAME --query 'length(Reservations)'
`

func TestNodesTranscript(t *testing.T) {
	t.Parallel()
	testenv.NeedNodes(t)
	e := testenv.Shared(t)
	k := createCluster(t, e.Admin(t), "pods")
	out := e.Anonymous(t).Shell(t, strings.ReplaceAll(nodesTranscript, "NAME", k.name))
	rest := out
	for _, want := range []string{
		":role/pods-node", `"CREATING"`,
		"Ready", "Ready",
		"deployment.apps/web created", "service/web exposed", "condition met",
		"hostname: web-", // what the probe was told
		"GET / from ",    // in the log of the pod that answered
		"proc",           // in its root folder
		"hostname: web-", // through the tunnel of port-forward
		`"DELETING"`,
		"No resources found", "0",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the output lacks %q, or not in this order:\n%s", want, out)
		}
		rest = after
	}
	k.delete(t)
}
