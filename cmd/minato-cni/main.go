// Command minato-cni is the CNI plugin of Minato's nodes. The add-on vpc-cni installs it.
package main

import "minato.dev/minato/cluster/node/cni/plugin"

func main() { plugin.Main() }
