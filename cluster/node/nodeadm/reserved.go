package nodeadm

// Reserved is what a node keeps from pods for its own programs, by the size of its machine.
type Reserved struct {
	CPUMillis int // of a thousandth of a processor
	MemoryMiB int
}

// evictionMemoryMiB is the free memory below which a kubelet evicts pods, evictionHard of the EKS AMIs.
const evictionMemoryMiB = 100

// KubeReserved is kubeReserved as nodeadm computes it: of processors 6 % of the first, 1 % of the second, 0.5 % of the next two
// and 0.25 % of all others, and 11 MiB of memory for each pod and 255 MiB (EKS user guide, "Reserve compute resources").
func KubeReserved(vcpus, maxPods int) Reserved {
	hundredths := 0 // of a percent of one processor
	for n := range vcpus {
		switch {
		case n == 0:
			hundredths += 600
		case n == 1:
			hundredths += 100
		case n < 4:
			hundredths += 50
		default:
			hundredths += 25
		}
	}
	return Reserved{CPUMillis: hundredths / 10, MemoryMiB: 255 + 11*maxPods}
}

// AllocatableMemoryMiB is what pods get of a machine's memory, at least nothing.
func AllocatableMemoryMiB(memoryMiB int, r Reserved) int {
	return max(0, memoryMiB-r.MemoryMiB-evictionMemoryMiB)
}
