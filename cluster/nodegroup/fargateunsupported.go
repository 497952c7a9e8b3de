package nodegroup

import (
	"slices"
	"strings"
)

// What Fargate's isolation leaves to containers ("Amazon EKS User Guide", Fargate considerations).
var (
	// fargateVolumes are the types of volumes; a claim is one of EFS there, and of whatever is bound here.
	fargateVolumes = []string{"configMap", "csi", "downwardAPI", "emptyDir", "nfs", "persistentVolumeClaim", "projected", "secret"}
	// fargateCapabilities are those of a container by default, and the one that can be added ("Amazon ECS Developer Guide", Fargate
	// task definitions).
	fargateCapabilities = []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP",
		"SETUID", "SYS_CHROOT", "SYS_PTRACE",
	}
)

// fargateUnsupported is what a pod asks for that Fargate does not have, in the words of EKS; empty for nothing.
func fargateUnsupported(p *pod) string {
	var fields, security, volumes []string
	for _, host := range []struct {
		field string
		asked bool
	}{{"HostNetwork", p.Spec.HostNetwork}, {"HostPID", p.Spec.HostPID}, {"HostIPC", p.Spec.HostIPC}} {
		if host.asked {
			fields = append(fields, host.field)
		}
	}
	hostPort := false
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if c.SecurityContext.Privileged {
			security = append(security, "Privileged")
		}
		if added := slices.DeleteFunc(slices.Clone(c.SecurityContext.Capabilities.Add), func(c string) bool { return slices.Contains(fargateCapabilities, c) }); len(added) > 0 {
			security = append(security, "Capabilities added: "+strings.Join(added, ","))
		}
		for _, port := range c.Ports {
			hostPort = hostPort || port.HostPort != 0 || port.HostIP != ""
		}
	}
	for _, v := range p.Spec.Volumes {
		name, _ := v["name"].(string)
		for kind := range v {
			if kind != "name" && !slices.Contains(fargateVolumes, kind) {
				volumes = append(volumes, name+" is of an unsupported volume Type")
			}
		}
	}
	var all []string
	for _, found := range []struct {
		what  string
		parts []string
		join  string
	}{{"fields not supported: ", fields, ", "}, {"invalid SecurityContext fields: ", security, ","}, {"volumes not supported: ", volumes, ", "}} {
		if len(found.parts) > 0 {
			all = append(all, found.what+strings.Join(found.parts, found.join))
		}
	}
	if hostPort {
		all = append(all, "port contains HostIP or HostPort")
	}
	return strings.Join(all, ", ")
}
