// Package plugin is the CNI plugin of nodes: it gives pods addresses of their subnet, with the contract of the Amazon VPC CNI.
// It is a program of its own, small because it runs twice for every pod, and asks no API: the addresses that it hands out
// stand in its configuration, and which of them are in use in a file.
//
// A pod has a veth pair. Its end has its address alone, and finds everybody behind the address 169.254.1.1, which is the
// node's end; the node has a route for it. Source: the VPC CNI's docs/cni-proposal.md.
package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
)

// Name is the plugin's, in configurations and as a file.
const Name = "minato-cni"

// versions are those of the CNI specification that are spoken here.
var versions = []string{"1.0.0", "1.1.0"}

// Config is the plugin's part of a network configuration.
type Config struct {
	CNIVersion string `json:"cniVersion,omitempty"`
	Name       string `json:"name,omitempty"`
	Type       string `json:"type"`
	// Addresses are those for pods.
	Addresses []netip.Addr `json:"addresses"`
	MTU       int          `json:"mtu"`
	// StateFolder is where the plugin notes who has which address.
	StateFolder string `json:"stateFolder"`
	// Attachments are those that are still there, of the command GC.
	Attachments []attachment `json:"cni.dev/valid-attachments,omitempty"`
}

// attachment is a pod's interface: the key of everything that is kept.
type attachment struct {
	ContainerID string `json:"containerID"`
	Interface   string `json:"ifname"`
}

// call is one call of the plugin, whose parameters come in the environment.
type call struct {
	Config
	attachment
	netns string
}

// Codes of errors (CNI specification, section 5, "Error").
const (
	codeVersion  = 1
	codeEnv      = 4
	codeDecode   = 6
	codeConfig   = 7
	codeTryLater = 11
	codeOther    = 100
)

// problem is an error with a code for the runtime.
type problem struct {
	code int
	err  error
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

func fail(code int, format string, args ...any) error {
	return &problem{code, fmt.Errorf(format, args...)}
}

// Run makes one call and answers the exit code.
func Run(env func(string) string, in io.Reader, out io.Writer) int {
	answer, err := run(env, in)
	if err == nil {
		if answer != nil {
			err = json.NewEncoder(out).Encode(answer)
		}
		if err == nil {
			return 0
		}
	}
	code := codeOther
	if p, ok := errors.AsType[*problem](err); ok {
		code = p.code
	}
	_ = json.NewEncoder(out).Encode(map[string]any{"cniVersion": versions[len(versions)-1], "code": code, "msg": err.Error()})
	return 1
}

func run(env func(string) string, in io.Reader) (any, error) {
	command := env("CNI_COMMAND")
	if command == "VERSION" {
		return map[string]any{"cniVersion": versions[len(versions)-1], "supportedVersions": versions}, nil
	}
	c := call{attachment: attachment{env("CNI_CONTAINERID"), env("CNI_IFNAME")}, netns: env("CNI_NETNS")}
	b, err := io.ReadAll(io.LimitReader(in, 4<<20))
	if err != nil {
		return nil, fail(codeDecode, "reading the configuration: %w", err)
	}
	if err := json.Unmarshal(b, &c.Config); err != nil {
		return nil, fail(codeDecode, "decoding the configuration: %w", err)
	}
	switch {
	case !slices.Contains(versions, c.CNIVersion):
		return nil, fail(codeVersion, "version %q of CNI is not spoken here: want one of %q", c.CNIVersion, versions)
	case c.StateFolder == "" || c.MTU <= 0:
		return nil, fail(codeConfig, "stateFolder and mtu must be set")
	case command != "GC" && command != "STATUS" && (c.ContainerID == "" || c.Interface == ""):
		return nil, fail(codeEnv, "CNI_CONTAINERID and CNI_IFNAME must be set")
	case (command == "ADD" || command == "CHECK") && c.netns == "":
		return nil, fail(codeEnv, "CNI_NETNS must be set")
	}
	switch command {
	case "ADD":
		return c.add()
	case "DEL":
		return nil, c.del()
	case "CHECK":
		return nil, c.check()
	case "GC":
		return nil, c.collect()
	case "STATUS":
		return nil, nil //nolint:nilnil // it is always ready, and has nothing to say
	}
	return nil, fail(codeEnv, "CNI_COMMAND is %q", command)
}

// result is the answer to ADD.
type result struct {
	CNIVersion string            `json:"cniVersion"`
	Interfaces []resultInterface `json:"interfaces"`
	IPs        []resultIP        `json:"ips"`
	Routes     []resultRoute     `json:"routes"`
	DNS        struct{}          `json:"dns"`
}

type resultInterface struct {
	Name    string `json:"name"`
	MAC     string `json:"mac"`
	Sandbox string `json:"sandbox,omitempty"`
}

type resultIP struct {
	Address   string `json:"address"`
	Gateway   string `json:"gateway"`
	Interface int    `json:"interface"`
}

type resultRoute struct {
	Destination string `json:"dst"`
	Gateway     string `json:"gw"`
}

// add gives the pod an address and its interface.
func (c call) add() (any, error) {
	var given netip.Addr
	err := c.change(func(l *ledger) (err error) {
		given, err = l.take(c.attachment, c.Addresses)
		return err
	})
	if err != nil {
		return nil, err
	}
	node, pod, err := c.connect(given)
	if err != nil {
		return nil, errors.Join(err, c.del())
	}
	return result{
		CNIVersion: c.CNIVersion,
		Interfaces: []resultInterface{{Name: hostLink(c.attachment), MAC: node}, {Name: c.Interface, MAC: pod, Sandbox: c.netns}},
		IPs:        []resultIP{{Address: given.String() + "/32", Gateway: gateway.String(), Interface: 1}},
		Routes:     []resultRoute{{Destination: "0.0.0.0/0", Gateway: gateway.String()}},
	}, nil
}

// del takes the interface away and the address back. Both may be gone.
func (c call) del() error {
	if err := disconnect(c.attachment); err != nil {
		return err
	}
	return c.change(func(l *ledger) error { l.give(c.attachment); return nil })
}

// check is that the pod has what add gave it.
func (c call) check() error {
	var has netip.Addr
	err := c.change(func(l *ledger) error { has = l.Used[c.key()]; return nil })
	if err != nil {
		return err
	}
	if !has.IsValid() {
		return fail(codeOther, "container %s has no address", c.ContainerID)
	}
	return c.verify(has)
}

// collect takes back what belongs to nobody any more.
func (c call) collect() error {
	valid := map[string]bool{}
	for _, a := range c.Attachments {
		valid[a.key()] = true
	}
	return c.change(func(l *ledger) error {
		var errs []error
		for key := range l.Used {
			if a := parseKey(key); !valid[key] {
				errs = append(errs, disconnect(a))
				l.give(a)
			}
		}
		return errors.Join(errs...)
	})
}

// Main is the program.
func Main() { os.Exit(Run(os.Getenv, os.Stdin, os.Stdout)) }
