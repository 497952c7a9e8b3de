package e2e

import (
	"strings"
	"testing"

	"minato.dev/minato/internal/testenv"
)

// transcript is what the README tells a new user to type, to the letter but for the folder of minato. Each command's output
// goes through the script's own, which the test reads.
const transcript = `
eval "$(minato env)"
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
SUBNETS=$(aws ec2 describe-subnets --query 'Subnets[0:2].SubnetId' --output text | tr '\t' ',')
echo '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}' > trust.json
aws iam create-role --role-name eks-cluster --assume-role-policy-document file://trust.json
aws eks create-cluster --name prod --kubernetes-version 1.35 \
    --role-arn arn:aws:iam::$ACCOUNT:role/eks-cluster --resources-vpc-config subnetIds=$SUBNETS
aws eks wait cluster-active --name prod
aws eks update-kubeconfig --name prod
kubectl get --raw /readyz && kubectl create namespace team-a && kubectl get nodes
aws eks delete-cluster --name prod && aws eks wait cluster-deleted --name prod
`

func TestTranscript(t *testing.T) {
	t.Parallel()
	e := testenv.Shared(t)
	out := e.Anonymous(t).Shell(t, transcript)
	rest := out
	for _, want := range []string{
		`"Arn": "arn:aws:iam::`, `:role/eks-cluster"`,
		`"status": "CREATING"`,
		"Added new context arn:aws:eks:us-east-1:", ":cluster/prod to ",
		"ok", "namespace/team-a created",
		`"status": "DELETING"`,
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the output lacks %q, or not in this order:\n%s", want, out)
		}
		rest = after
	}
}
