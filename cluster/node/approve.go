package node

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/cluster/node/nodeadm"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/ssm"
)

const (
	servingSigner = "kubernetes.io/kubelet-serving"
	requestsPath  = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	nodePrefix    = "system:node:"
	nodesGroup    = "system:nodes"
	// watchPause is between two watches of a cluster that is away or ends them.
	watchPause = time.Second
)

// signingRequest is what matters of a CertificateSigningRequest.
type signingRequest struct {
	Metadata kubeapi.Object `json:"metadata"`
	Spec     struct {
		Request    []byte   `json:"request"`
		SignerName string   `json:"signerName"`
		Username   string   `json:"username"`
		Groups     []string `json:"groups"`
		Usages     []string `json:"usages"`
	} `json:"spec"`
	Status struct {
		Conditions []kubeapi.Object `json:"conditions"`
	} `json:"status"`
}

// approveUntilGone approves the serving certificates of a cluster's kubelets until the cluster is gone.
func (c *Controller) approveUntilGone(ctx context.Context, clusterID string) {
	for ctx.Err() == nil {
		_, err := c.planes.Get(ctx, clusterID)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if err := c.approve(ctx, clusterID); err != nil && ctx.Err() == nil {
			c.deps.Log.DebugContext(ctx, "watching signing requests ended", "cluster", clusterID, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchPause):
		}
	}
}

// approve follows the signing requests of a cluster until the watch ends.
func (c *Controller) approve(ctx context.Context, clusterID string) error {
	client, err := c.deps.Client(ctx, clusterID)
	if err != nil {
		return err
	}
	defer client.Close()
	query := url.Values{"fieldSelector": {"spec.signerName=" + servingSigner}}
	return client.Watch(ctx, requestsPath, query, func(e kubeapi.Event) error {
		if e.Type != "ADDED" && e.Type != "MODIFIED" {
			return nil
		}
		var r signingRequest
		if err := json.Unmarshal(e.Object, &r); err != nil || len(r.Status.Conditions) > 0 {
			return err
		}
		return c.judge(ctx, client, clusterID, r, e.Object)
	})
}

// judge approves a request that is right, and leaves any other to people, with its reason in the log.
func (c *Controller) judge(ctx context.Context, client *kubeapi.Client, clusterID string, r signingRequest, whole json.RawMessage) error {
	name, _ := r.Metadata["name"].(string)
	log := c.deps.Log.With("cluster", clusterID, "request", name, "requester", r.Spec.Username)
	m, err := c.machineOf(ctx, clusterID, r.Spec.Username)
	if err == nil {
		err = r.check(m)
	}
	if err != nil {
		log.WarnContext(ctx, "serving certificate is not approved", "reason", err)
		return nil
	}
	var object kubeapi.Object
	if err := json.Unmarshal(whole, &object); err != nil {
		return err
	}
	object["status"] = kubeapi.Object{"conditions": []kubeapi.Object{{
		"type": "Approved", "status": "True", "reason": "MinatoApproved", "message": "names and addresses are those of " + m.id,
	}}}
	_, err = client.Do(ctx, http.MethodPut, requestsPath+"/"+name+"/approval", object)
	if kubeapi.Status(err) == http.StatusConflict || kubeapi.NotFound(err) {
		return nil // it has changed: that comes as an event too
	}
	if err == nil {
		log.InfoContext(ctx, "serving certificate is approved", "machine", m.id)
	}
	return err
}

// approved is a machine that may serve, under its own name and address.
type approved struct {
	id, name string
	address  netip.Addr
}

// machineOf is the machine behind a node's username: an instance in the VPC, or one outside that has registered.
func (c *Controller) machineOf(ctx context.Context, clusterID, username string) (approved, error) {
	page, err := ssm.Instances(c.deps.Store).List(ctx, "", "", 0)
	if err != nil {
		return approved{}, err
	}
	for _, item := range page.Items {
		if m := item.Value; m.ClusterID == clusterID && nodePrefix+m.Name == username {
			return approved{m.ID, m.Name, m.Address}, nil
		}
	}
	i, err := c.instanceOf(ctx, clusterID, username)
	return approved{i.ID, i.PrivateDNSName, i.PrivateIP}, err
}

// ApproveIn has the serving certificates of a cluster's kubelets approved from now on, as for a cluster with instances.
func (c *Controller) ApproveIn(clusterID string) { c.approvers.ensure(clusterID) }

// instanceOf is the live instance behind a node's username, in the cluster's VPC and told to join it.
func (c *Controller) instanceOf(ctx context.Context, clusterID, username string) (ec2.Instance, error) {
	plane, err := c.planes.Get(ctx, clusterID)
	if err != nil {
		return ec2.Instance{}, err
	}
	cluster, err := c.clusters.Get(ctx, plane.Value.Cluster)
	if err != nil {
		return ec2.Instance{}, err
	}
	page, err := c.instances.List(ctx, ec2.RecordID(cluster.Value.Scope, ""), "", 0)
	if err != nil {
		return ec2.Instance{}, err
	}
	for _, item := range page.Items {
		if i := item.Value; nodePrefix+i.PrivateDNSName == username && !i.Simulated && !i.Ended() && joinsCluster(i, cluster.Value) {
			return i, nil
		}
	}
	return ec2.Instance{}, fmt.Errorf("%q is no instance of the cluster's", username)
}

func joinsCluster(i ec2.Instance, cluster eks.Cluster) bool {
	config, err := nodeadm.Parse(i.UserData)
	return err == nil && config.Cluster.Name == cluster.Name && i.VPCID == cluster.Spec.VPCID
}

// check is that a request is the machine's own, for nothing but to serve under its own name and address.
func (r signingRequest) check(m approved) error {
	block, rest := pem.Decode(r.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return errors.New("it is not one PEM certificate request")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	for _, usage := range r.Spec.Usages {
		if !slices.Contains([]string{"digital signature", "key encipherment", "server auth"}, usage) {
			return fmt.Errorf("it asks for the usage %q", usage)
		}
	}
	switch {
	case r.Spec.SignerName != servingSigner:
		return fmt.Errorf("it is for the signer %q", r.Spec.SignerName)
	case !slices.Contains(r.Spec.Groups, nodesGroup):
		return errors.New("its requester is not in " + nodesGroup)
	case csr.Subject.CommonName != r.Spec.Username:
		return fmt.Errorf("its subject is %q", csr.Subject.CommonName)
	case !slices.Equal(csr.Subject.Organization, []string{nodesGroup}):
		return fmt.Errorf("its organizations are %q", csr.Subject.Organization)
	case len(csr.EmailAddresses) > 0 || len(csr.URIs) > 0:
		return errors.New("it asks for e-mail addresses or URIs")
	case len(csr.DNSNames)+len(csr.IPAddresses) == 0:
		return errors.New("it asks for no name or address")
	}
	for _, name := range csr.DNSNames {
		if name != m.name {
			return fmt.Errorf("it asks for the name %q", name)
		}
	}
	for _, ip := range csr.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); !ok || a.Unmap() != m.address {
			return fmt.Errorf("it asks for the address %s", ip)
		}
	}
	return nil
}
