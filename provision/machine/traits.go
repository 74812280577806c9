package machine

// Traits say what a driver's machines are like, so that nothing above the seam
// has to ask for a driver's name. A driver's package exports those that hold on
// every host; Provider.Traits fills in what depends on this one.
type Traits struct {
	// OwnKernel says that each machine boots a kernel of its own. Else they
	// share this host's, with all that belongs to no namespace.
	OwnKernel bool
	// OwnClock says that a machine's clock is its own: after its memory was
	// restored it is as old as the snapshot, and has to be set.
	OwnClock bool
	// KeepsMemory says that snapshots hold the machines' memory.
	KeepsMemory bool
	// Disk says that machines start from the node image's disk and kernel
	// (image.EnsureDisk), and not from its folder tree.
	Disk bool
	// Parcel says that a machine may find ParcelDir mounted.
	Parcel bool
	// Root says that this process needs root to make machines. Else a service
	// of the host makes them for those whom it lets in.
	Root bool
	// Emulated says that a processor is imitated in software: everything takes
	// several times as long (see Patience), and what is sent over the network
	// is better compressed.
	Emulated bool
}

// Patience is by how much all time limits are multiplied that concern such
// machines: those of steps, commands, connections and leases. An emulated one was
// measured to take three times as long for the steps of labs.
func (t Traits) Patience() int {
	if t.Emulated {
		return 4
	}
	return 1
}
