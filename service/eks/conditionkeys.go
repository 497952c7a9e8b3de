package eks

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"minato.dev/minato"
)

// The condition keys of EKS (Service Authorization Reference, "Amazon Elastic Kubernetes Service") are what a request says. What it
// leaves out has no key, whatever the default is: a policy that is to hold then too says so with IfExists or Null.

// createConditions are the keys of a request for a cluster.
func createConditions(r CreateClusterRequest) conditions {
	keys := conditions{}
	keys.setText("eks:kubernetesversion", r.Version)
	keys.setText("eks:authenticationmode", r.AuthenticationMode)
	keys.setText("eks:supporttype", r.SupportType)
	keys.setBool("eks:bootstrapclustercreatoradminpermissions", r.BootstrapCreatorAdmin)
	keys.setBool("eks:bootstrapselfmanagedaddons", r.BootstrapAddons)
	keys.setBool("eks:deletionprotection", r.DeletionProtection)
	keys.setVPC(&r.VPC)
	keys.setLogging(r.Logging)
	keys.setOther(r.Other)
	return keys
}

// updateConditions are those of a request for a change of a cluster.
func updateConditions(r UpdateClusterConfigRequest) conditions {
	keys := conditions{}
	keys.setText("eks:authenticationmode", orDefault(r.AuthenticationMode, ""))
	keys.setText("eks:supporttype", orDefault(r.SupportType, ""))
	keys.setBool("eks:deletionprotection", r.DeletionProtection)
	keys.setVPC(r.VPC)
	keys.setLogging(r.Logging)
	keys.setOther(r.Other)
	return keys
}

func (keys conditions) setText(key, value string) {
	if value != "" {
		keys[key] = []string{value}
	}
}

func (keys conditions) setBool(key string, value *bool) {
	if value != nil {
		keys[key] = []string{strconv.FormatBool(*value)}
	}
}

func (keys conditions) setVPC(v *VPCRequest) {
	if v == nil {
		return
	}
	keys.setBool("eks:endpointpublicaccess", v.EndpointPublicAccess)
	keys.setBool("eks:endpointprivateaccess", v.EndpointPrivateAccess)
	keys.setText("eks:controlplaneegressmode", v.ControlPlaneEgressMode)
}

func (keys conditions) setLogging(setups []LogSetup) {
	for _, setup := range setups {
		for _, kind := range setup.Types {
			keys.setBool("eks:loggingtype/"+strings.ToLower(kind), &setup.Enabled)
		}
	}
}

// setOther sets the keys of the members that a request has as wire JSON.
func (keys conditions) setOther(other map[string]json.RawMessage) {
	type enabled struct {
		Enabled *bool `json:"enabled"`
	}
	var compute, balancing, zonalShift enabled
	var storage struct {
		BlockStorage enabled `json:"blockStorage"`
	}
	var scaling struct {
		Tier string `json:"tier"`
	}
	var encryption []struct {
		Provider struct {
			KeyARN string `json:"keyArn"`
		} `json:"provider"`
	}
	for name, into := range map[string]any{
		"computeConfig": &compute, "elasticLoadBalancing": &balancing, "zonalShiftConfig": &zonalShift,
		"storageConfig": &storage, "controlPlaneScalingConfig": &scaling, "encryptionConfig": &encryption,
	} {
		if raw, ok := other[name]; ok {
			_ = json.Unmarshal(raw, into) // the edge has read it by AWS's schema
		}
	}
	keys.setBool("eks:computeconfigenabled", compute.Enabled)
	keys.setBool("eks:elasticloadbalancingenabled", balancing.Enabled)
	keys.setBool("eks:zonalshiftenabled", zonalShift.Enabled)
	keys.setBool("eks:blockstorageenabled", storage.BlockStorage.Enabled)
	keys.setText("eks:controlplanescalingtier", scaling.Tier)
	for _, e := range encryption {
		const key = "eks:encryptionconfigproviderkeyarns"
		keys[key] = append(keys[key], e.Provider.KeyARN)
	}
	for member, key := range map[string]string{
		"kubeApiServerConfig": "eks:kubeapiserverconfig", "kubeControllerManagerConfig": "eks:kubecontrollermanagerconfig", "kubeSchedulerConfig": "eks:kubeschedulerconfig",
	} {
		if _, ok := other[member]; ok {
			keys[key] = []string{"true"}
		}
	}
}

// entryConditions are the keys of a request about an access entry. Of one that is there they say what it is, where the request does
// not give it something else: so a policy can keep its holder to the entries of some groups.
func entryConditions(clusterName string, principal minato.ARN, e *AccessEntry) conditions {
	keys := conditions{"eks:clustername": {clusterName}, "eks:principalarn": {principal.String()}}
	if e.Type == "" {
		return keys
	}
	keys["eks:accessentrytype"] = []string{e.Type}
	keys["eks:username"] = []string{e.Username}
	if len(e.Groups) > 0 {
		keys["eks:kubernetesgroups"] = e.Groups
	}
	maps.Copy(keys, resourceTags(e.Tags))
	return keys
}

// scopeConditions are the keys of a request about an access policy of an access entry.
func scopeConditions(policyARN, scopeType string, namespaces []string) conditions {
	keys := conditions{"eks:policyarn": {policyARN}}
	keys.setText("eks:accessscope", scopeType)
	if len(namespaces) > 0 {
		keys["eks:namespaces"] = namespaces
	}
	return keys
}
