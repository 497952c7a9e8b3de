package deptest

import "slices"

// floors are the rooms from the bottom up. A room may import those below it, and itself.
var floors = [][]string{
	{"minato"},
	{"internal", "kube", "upstream"}, // leaf tools, and the tables of what is run as it is released
	{"engine"},
	{"service"},
	{"cluster"},
	{"edge"},
	{"server"},
	{"cmd", "e2e", "bench", "conformance"},
}

func floor(path string) int {
	return slices.IndexFunc(floors, func(rooms []string) bool { return slices.Contains(rooms, room(path)) })
}

// Rules are the floor plan.
var Rules = []Rule{
	{
		Name:   "direction",
		Reason: "imports point down: cmd, server, edge, cluster, service, engine, minato",
		Allows: func(pkg, what string, ours bool) bool { return !ours || floor(what) <= floor(pkg) },
	},
	{
		Name:   "vocabulary",
		Reason: "the root package is imported by everybody, so it may bring nothing along",
		Allows: func(pkg, what string, ours bool) bool { return pkg != "" || !ours && standard(what) },
	},
	{
		Name:   "leaf tools",
		Reason: "internal/ holds tools without a domain word: they know the vocabulary and each other only",
		Allows: func(pkg, what string, ours bool) bool {
			return room(pkg) != "internal" || !ours || room(what) == "internal" || room(what) == "minato"
		},
	},
	{
		Name:   "engine",
		Reason: "the engine would serve any such system: it knows neither Kubernetes nor what a home folder holds",
		Allows: func(pkg, what string, ours bool) bool {
			return room(pkg) != "engine" || !ours || room(what) != "kube" && room(what) != "upstream"
		},
	},
	{
		Name:   "edge decides nothing and runs nothing",
		Reason: "requests and reconcilers meet in the record: of cluster, edge imports only the packages that decide",
		Allows: func(pkg, what string, ours bool) bool {
			return room(pkg) != "edge" || !ours || room(what) != "cluster" ||
				under(what, "cluster/access", "cluster/podidentity", "cluster/insights")
		},
	},
	{
		Name:   "composition root",
		Reason: "server knows everybody, so that nobody else has to",
		Allows: func(pkg, what string, ours bool) bool {
			return !ours || room(what) != "server" || slices.Contains([]string{"server", "cmd", "e2e", "bench"}, room(pkg))
		},
	},
	{
		Name:   "etcd",
		Reason: "what the store is made of is the store's secret",
		Allows: func(pkg, what string, ours bool) bool {
			return ours || !under(what, "go.etcd.io") || under(pkg, "engine/store/etcdstore", "engine/etcd")
		},
		Exceptions: map[string]string{
			"engine/objectstore -> go.etcd.io/bbolt":      "the index of objects is a file of its own, beside the store",
			"bench -> go.etcd.io/etcd/server/v3/etcdmain": "the bare upstream etcd that we are compared with",
		},
	},
	{
		Name:   "AWS SDK",
		Reason: "wire types stay at the edge; records and decisions have types of their own",
		Allows: func(pkg, what string, ours bool) bool {
			return ours || !under(what, "github.com/aws") || under(pkg, "edge/aws", "bench", "e2e/sdkpod") // the last two are clients
		},
	},
	{
		Name:   "Kubernetes modules",
		Reason: "Kubernetes is run as it is released, not linked; only what speaks its webhooks knows its types",
		Allows: func(pkg, what string, ours bool) bool {
			return ours || !under(what, "k8s.io") || under(pkg, "edge/kubehook")
		},
	},
	{
		Name:   "network",
		Reason: "links, routes and packet filters are made by VPCs and by nodes, and nobody else changes the machine's network",
		Allows: func(pkg, what string, ours bool) bool {
			return ours || !under(what, "github.com/vishvananda", "github.com/google/nftables") || under(pkg, "cluster/vpc", "cluster/node")
		},
		Exceptions: map[string]string{
			"internal/doctor -> github.com/vishvananda/netlink": "tries in a namespace that ends at once whether the kernel can do it",
			"internal/doctor -> github.com/google/nftables":     "the same",
			"bench -> github.com/vishvananda/netlink":           "the node started by hand that we are compared with has a namespace of its own",
		},
	},
	{
		Name:   "processes",
		Reason: "processes are started by the supervisor, which finds them again after a crash",
		Allows: func(pkg, what string, ours bool) bool {
			return ours || what != "os/exec" || under(pkg, "engine/supervisor", "e2e", "bench", "conformance")
		},
		Exceptions: map[string]string{
			"cluster/insights/scan -> os/exec": "renders a chart with minato-charts, in the command that was asked to, and ends with it",
			"cluster/node/machine -> os/exec":  "makes a file system with mkfs.ext4 on the disk of a node",
			"kube/kubegen -> os/exec":          "a build tool: it runs go",
			"upstream/build -> os/exec":        "a build tool: it runs go",
			"server -> os/exec":                "minato up --detach starts the server itself, before there is a supervisor",
			"internal/doctor -> os/exec":       "asks aws and kubectl for their versions",
			"internal/testenv -> os/exec":      "runs the built minato and the real clients",
		},
	},
}
