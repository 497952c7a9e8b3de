package nodegroup

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// size is what a Fargate pod gets.
type size struct {
	milliCPU, memoryMiB int
}

// String is how EKS writes it into the pod's annotation CapacityProvisioned: "0.25vCPU 0.5GB".
func (s size) String() string {
	decimal := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	return fmt.Sprintf("%svCPU %sGB", decimal(float64(s.milliCPU)/1000), decimal(float64(s.memoryMiB)/1024))
}

// systemMemoryMiB is what EKS adds to a pod's memory for the kubelet, kube-proxy and containerd ("Amazon EKS User Guide", Fargate pod
// configuration).
const systemMemoryMiB = 256

// fargateSizes are the combinations of vCPU and memory that there are, the smallest first (the same page).
var fargateSizes = func() (sizes []size) {
	add := func(milliCPU, from, to, step int) {
		for memory := from; memory <= to; memory += step {
			sizes = append(sizes, size{milliCPU, memory})
		}
	}
	const gib = 1024
	sizes = append(sizes, size{250, gib / 2}, size{250, gib}, size{250, 2 * gib})
	add(500, gib, 4*gib, gib)
	add(1000, 2*gib, 8*gib, gib)
	add(2000, 4*gib, 16*gib, gib)
	add(4000, 8*gib, 30*gib, gib)
	add(8000, 16*gib, 60*gib, 4*gib)
	add(16000, 32*gib, 120*gib, 8*gib)
	return sizes
}()

// fargateSize is the smallest combination with room for a pod: what it asks for as a whole; where it does not, the largest init container or
// all others together, whichever is more.
func fargateSize(p *pod) (size, error) {
	need, err := containersSize(p)
	if err != nil {
		return size{}, err
	}
	whole, err := sizeOf(p.Spec.Resources.Requests)
	if err != nil {
		return size{}, err
	}
	if _, asked := p.Spec.Resources.Requests["cpu"]; asked {
		need.milliCPU = whole.milliCPU
	}
	if _, asked := p.Spec.Resources.Requests["memory"]; asked {
		need.memoryMiB = whole.memoryMiB
	}
	overhead, err := sizeOf(p.Spec.Overhead)
	if err != nil {
		return size{}, err
	}
	need = need.plus(overhead).plus(size{memoryMiB: systemMemoryMiB})
	i := slices.IndexFunc(fargateSizes, func(s size) bool { return s.milliCPU >= need.milliCPU && s.memoryMiB >= need.memoryMiB })
	if i < 0 {
		return size{}, fmt.Errorf("the pod asks for %s, Fargate has %s at most", need, fargateSizes[len(fargateSizes)-1])
	}
	return fargateSizes[i], nil
}

// containersSize is what the containers of a pod ask for.
func containersSize(p *pod) (size, error) {
	var need, running size
	for _, c := range p.Spec.InitContainers {
		s, err := sizeOf(c.Resources.Requests)
		if err != nil {
			return size{}, err
		}
		if c.RestartPolicy == "Always" { // a sidecar runs on
			running = running.plus(s)
		} else {
			need = need.atLeast(running.plus(s))
		}
	}
	for _, c := range p.Spec.Containers {
		s, err := sizeOf(c.Resources.Requests)
		if err != nil {
			return size{}, err
		}
		running = running.plus(s)
	}
	return need.atLeast(running), nil
}

func sizeOf(requests map[string]string) (size, error) {
	cpu, err := milli(requests["cpu"])
	if err != nil {
		return size{}, err
	}
	memory, err := milli(requests["memory"])
	return size{cpu, roundUp(memory/1000, 1<<20)}, err
}

func (s size) plus(o size) size { return size{s.milliCPU + o.milliCPU, s.memoryMiB + o.memoryMiB} }

func (s size) atLeast(o size) size {
	return size{max(s.milliCPU, o.milliCPU), max(s.memoryMiB, o.memoryMiB)}
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit }

// A Fargate pod has 20 GiB of ephemeral storage, and up to 175 GiB where it asks for more (the same page).
const (
	fargateDiskGiB     = 20
	mostFargateDiskGiB = 175
)

// fargateDisk is the size of the disk on which a pod has the ephemeral storage that it asks for: the file system, what kubelet keeps for itself,
// and the tenth that must be free, come on top.
func fargateDisk(p *pod) (gib int, err error) {
	asked := 0
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		storage, err := milli(c.Resources.Requests["ephemeral-storage"])
		if err != nil {
			return 0, err
		}
		asked += storage / 1000
	}
	need := roundUp(asked, 1<<30)
	if need > mostFargateDiskGiB {
		return 0, fmt.Errorf("the pod asks for %dGiB of ephemeral storage, Fargate has %dGiB at most", need, mostFargateDiskGiB)
	}
	return max(fargateDiskGiB, need+need/5+3), nil
}

// suffixes of Kubernetes quantities, each with its thousandths.
var suffixes = []struct {
	suffix string
	milli  float64
}{
	{"Ki", 1000 << 10}, {"Mi", 1000 << 20}, {"Gi", 1000 << 30}, {"Ti", 1000 << 40}, {"m", 1}, {"k", 1e6}, {"M", 1e9}, {"G", 1e12}, {"T", 1e15}, {"", 1000},
}

// mostMilli is more than Fargate has of anything, and little enough to be added up.
const mostMilli = 1 << 50

// milli reads a quantity of Kubernetes in thousandths; nothing is zero.
func milli(quantity string) (int, error) {
	if quantity == "" {
		return 0, nil
	}
	for _, s := range suffixes {
		number, ok := strings.CutSuffix(quantity, s.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || v < 0 {
			return 0, fmt.Errorf("the quantity %q cannot be read", quantity)
		}
		return int(min(v*s.milli, mostMilli)), nil
	}
	return 0, fmt.Errorf("the quantity %q cannot be read", quantity)
}
