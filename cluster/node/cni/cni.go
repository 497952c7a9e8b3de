// Package cni is the add-on vpc-cni on one node: it installs the CNI plugin (cluster/node/cni/plugin) with the addresses that
// the node's metadata names, and lets pods reach what lies outside of the VPC under the node's address.
package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"minato.dev/minato/cluster/node/cni/plugin"
	"minato.dev/minato/cluster/node/imds"
	"minato.dev/minato/internal/atomicfile"
)

const (
	configFile  = "10-aws.conflist"
	networkName = "aws-cni"
	stateFolder = "/var/lib/cni/minato"
	mtu         = 9001 // of every interface, as on AWS
)

// Config is where things are.
type Config struct {
	Metadata *imds.Client
	// Programs is the folder with the plugins, PluginFolder where the node looks for them, and NetworkFolder where it looks for
	// configurations.
	Programs, PluginFolder, NetworkFolder string
	Log                                   *slog.Logger
}

// node is what the metadata says of the node's network.
type node struct {
	primary netip.Addr
	pods    []netip.Addr
	vpc     []netip.Prefix
}

// Run installs everything and stays until ctx ends. What it installed stays after it, so that pods can be started while
// the add-on is being replaced.
func Run(ctx context.Context, c Config) error {
	n, err := readNode(ctx, c.Metadata)
	if err != nil {
		return err
	}
	if err := masquerade(n); err != nil {
		return fmt.Errorf("letting pods reach what is outside of the VPC: %w", err)
	}
	if err := installPlugins(c.Programs, c.PluginFolder); err != nil {
		return err
	}
	// The configuration comes last: with it the node is ready.
	if err := writeConfig(filepath.Join(c.NetworkFolder, configFile), n); err != nil {
		return err
	}
	c.Log.InfoContext(ctx, "pods can have addresses", "addresses", len(n.pods), "node", n.primary.String())
	<-ctx.Done()
	return nil
}

// readNode asks the metadata service.
func readNode(ctx context.Context, m *imds.Client) (n node, err error) {
	mac, err := m.Get(ctx, "meta-data/mac")
	if err != nil {
		return n, err
	}
	folder := "meta-data/network/interfaces/macs/" + mac + "/"
	addresses, err := m.List(ctx, folder+"local-ipv4s")
	if err != nil {
		return n, err
	}
	blocks, err := m.List(ctx, folder+"vpc-ipv4-cidr-blocks")
	if err != nil {
		return n, err
	}
	for _, text := range addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return n, err
		}
		n.pods = append(n.pods, a)
	}
	for _, text := range blocks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return n, err
		}
		n.vpc = append(n.vpc, p)
	}
	if len(n.pods) == 0 || len(n.vpc) == 0 {
		return n, errors.New("the metadata names no address, or no network, of the node's interface")
	}
	n.primary, n.pods = n.pods[0], n.pods[1:]
	return n, nil
}

// writeConfig writes the network's configuration.
func writeConfig(path string, n node) error {
	b, err := json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0", "name": networkName,
		"plugins": []any{
			plugin.Config{Type: plugin.Name, Addresses: n.pods, MTU: mtu, StateFolder: stateFolder},
			map[string]any{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}, "snat": true, "backend": "nftables"},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, b, 0o644)
}

// installPlugins copies every program of a folder, each in one step, because the node may be running it.
func installPlugins(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("looking for the plugins: %w", err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := install(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return fmt.Errorf("installing %s: %w", e.Name(), err)
		}
	}
	return nil
}

func install(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	unfinished := to + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	target, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err := errors.Join(err, target.Chmod(0o755), target.Close()); err != nil {
		return err
	}
	return os.Rename(unfinished, to)
}
