//go:build upgrades

package controlplane

import (
	"slices"
	"testing"

	"minato.dev/minato/service/eks"
)

// TestEveryKilledUpgrade kills the server and both control planes at every step of a change of version, wherever they are there.
func TestEveryKilledUpgrade(t *testing.T) {
	w := newWorld(t)
	id := w.create(t, "prod", "1.35")
	w.reconcile(t, id, eks.ClusterActive)
	var names []string
	for _, s := range w.controller.build {
		names = append(names, s.name)
	}
	begins, retires := slices.Index(names, "APIServer"), slices.Index(names, "Retire")
	var kills []kill
	for i, name := range names {
		kills = append(kills, kill{theServer, name, false})
		if i <= retires {
			kills = append(kills, kill{theOldPlane, name, false})
		}
		if i > begins {
			kills = append(kills, kill{theNewPlane, name, false})
		}
	}
	for _, name := range []string{"APIServer", "Controllers"} {
		kills = append(kills, kill{theServer, name, true}, kill{theNewPlane, name, true})
	}
	w.testKilledUpgrades(t, id, kills)
}
