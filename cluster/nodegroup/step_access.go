package nodegroup

import (
	"context"
	"net/http"
	"strings"

	"sigs.k8s.io/yaml"

	"minato.dev/minato"
	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/service/eks"
)

const (
	modeAPI       = "API"
	modeConfigMap = "CONFIG_MAP"

	configMapsPath = "/api/v1/namespaces/kube-system/configmaps"
	awsAuth        = "aws-auth"
)

// nodeGroups are the groups of a node's row in aws-auth ("Amazon EKS User Guide", aws-auth ConfigMap).
var nodeGroups = []any{"system:bootstrappers", "system:nodes"}

// giveAccess lets the nodes' role into the cluster, as EKS does: by an access entry where the mode has them, and by a row of aws-auth
// where it has that.
func (c *Controller) giveAccess(ctx context.Context, p *pass) error {
	mode, role := p.cluster.Spec.AuthenticationMode, p.group.Spec.NodeRole
	if mode != modeConfigMap {
		if err := c.deps.EnsureEntry(ctx, &p.cluster, role, eks.EC2Linux); err != nil {
			return err
		}
	}
	if mode == modeAPI {
		return nil
	}
	username, _ := eks.NodeNames(eks.EC2Linux)
	_, err := ensureRow(ctx, p.kube, role, username, nodeGroups)
	return err
}

// configMap is what matters of a ConfigMap here.
type configMap struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
}

// ensureRow adds a row for a role to mapRoles of aws-auth, unless it has one, and gives the username that the role then has. A map that cannot be read is left alone.
func ensureRow(ctx context.Context, kube *kubeapi.Client, role minato.ARN, username string, groups []any) (has string, err error) {
	arn := minato.NewARN("iam", "", role.Account, "role/"+role.ResourceName()).String() // without the role's path
	var m configMap
	err = kube.Get(ctx, configMapsPath+"/"+awsAuth, &m)
	missing := kubeapi.NotFound(err)
	if err != nil && !missing {
		return "", err
	}
	var rows []map[string]any
	if err := yaml.Unmarshal([]byte(m.Data["mapRoles"]), &rows); err != nil {
		return "", &problem{
			reason: "AWSAuthMalformed", code: issueAccess, resources: []string{awsAuth}, err: err,
			message: "mapRoles in the ConfigMap kube-system/aws-auth cannot be read, so the nodes' role cannot be added to it: " + err.Error(),
		}
	}
	for _, row := range rows {
		if found, _ := row["rolearn"].(string); strings.EqualFold(found, arn) {
			has, _ = row["username"].(string)
			return has, nil
		}
	}
	text, err := yaml.Marshal(append(rows, map[string]any{"rolearn": arn, "username": username, "groups": groups}))
	if err != nil {
		return "", err
	}
	data := kubeapi.Object{"mapRoles": string(text)}
	if missing {
		_, err = kube.Do(ctx, http.MethodPost, configMapsPath, kubeapi.Object{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": kubeapi.Object{"name": awsAuth, "namespace": "kube-system"}, "data": data,
		})
		return username, err
	}
	return username, kube.Patch(ctx, configMapsPath+"/"+awsAuth, kubeapi.Object{
		"metadata": kubeapi.Object{"resourceVersion": m.Metadata.ResourceVersion}, "data": data,
	})
}

// removeAccess takes the access entry away with the last nodegroup of its role. A row in aws-auth stays, as on EKS.
func (c *Controller) removeAccess(ctx context.Context, p *pass) error {
	page, err := c.groups.List(ctx, idPrefix(p.group.ClusterID), "", 0)
	if err != nil {
		return err
	}
	for _, item := range page.Items {
		if item.Value.Name != p.group.Name && item.Value.Spec.NodeRole == p.group.Spec.NodeRole {
			return nil
		}
	}
	return c.deps.RemoveEntry(ctx, p.group.ClusterID, p.group.Spec.NodeRole, eks.EC2Linux)
}
