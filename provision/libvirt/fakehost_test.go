package libvirt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"
)

type fakeDomain struct {
	xml       string
	state     golibvirt.DomainState
	reason    int32
	jobs      []qemuJob
	snapshots []string
	// memory is what the machine "is"; a snapshot keeps it.
	memory string
	saved  map[string]string
}

type fakePool struct {
	xml     string
	active  bool
	built   bool
	volumes map[string]*fakeVolume
}

type fakeVolume struct {
	xml     string
	content []byte
}

type fakeNetwork struct {
	x      libvirtxml.Network
	active bool
	// served says that its dnsmasq lives. stuck is a libvirt that takes another process
	// for it, so that only a start of the network helps.
	served, stuck bool
	starts        int
}

func lvError(code golibvirt.ErrorNumber, format string, a ...any) error {
	return golibvirt.Error{Code: uint32(code), Message: fmt.Sprintf(format, a...)}
}

// The procedures' numbers, remote_protocol.x.
const (
	procOpen, procClose, procCapabilities, procDomainXML     = 1, 2, 7, 14
	procDomainByName, procResume, procSuspend                = 23, 28, 34
	procNetCreate, procNetDefine, procNetDestroy, procNetXML = 39, 41, 42, 43
	procNetByName, procNetUndefine, procFeature, procAuth    = 46, 49, 60, 66
	procPoolDefine, procPoolCreate, procPoolBuild            = 77, 78, 79
	procPoolDestroy, procPoolDelete, procPoolUndefine        = 80, 81, 82
	procPoolRefresh, procPoolByName, procPoolXML             = 83, 84, 88
	procVolCreate, procVolDelete, procVolByName, procVolPath = 93, 94, 95, 100
	procNetActive, procPoolActive, procCreate, procUpload    = 152, 154, 196, 208
	procState, procUndefine, procDestroy, procListDomains    = 212, 231, 234, 273
	procListVolumes, procNetUpdate, procDefine, procVolInfo  = 282, 291, 350, 378
	procListNetworks                                         = 283
)

// do does what one call asks.
func (h *fakeHost) do(p packet, in, out *xdr, upload map[int32]*fakeVolume) error {
	if p.Program == qemuProgram {
		return h.monitor(in, out)
	}
	switch p.Procedure {
	case procAuth:
		out.putInt(1)
		out.putInt(0)
	case procOpen, procClose:
	case procFeature:
		out.putInt(1)
	case procCapabilities:
		out.putString(`<capabilities><guest><os_type>hvm</os_type><arch name="x86_64"><domain type="qemu"/><domain type="kvm"/></arch></guest></capabilities>`)
	case procListDomains, procDomainByName, procDomainXML, procDefine, procState, procCreate, procDestroy, procSuspend, procResume, procUndefine:
		return h.domainCall(p.Procedure, in, out)
	case procListNetworks, procNetByName, procNetDefine, procNetXML, procNetActive, procNetCreate, procNetDestroy, procNetUndefine, procNetUpdate:
		return h.networkCall(p.Procedure, in, out)
	case procPoolByName, procPoolDefine:
		return h.poolCall(p.Procedure, in, out)
	case procPoolXML, procPoolActive, procPoolBuild, procPoolCreate, procPoolDestroy, procPoolDelete, procPoolUndefine, procPoolRefresh, procListVolumes:
		return h.poolCall(p.Procedure, in, out)
	case procUpload:
		in2 := *in
		v, _, err := h.volume(&in2)
		if err != nil {
			return err
		}
		v.content = nil
		upload[p.Serial] = v
	default:
		return h.volumeCall(p.Procedure, in, out)
	}
	return nil
}

func (h *fakeHost) domainCall(proc uint32, in, out *xdr) error {
	switch proc {
	case procListDomains:
		out.putInt(uint32(len(h.domains)))
		for n := range h.domains {
			out.putDomain(n)
		}
		out.putInt(uint32(len(h.domains)))
		return nil
	case procDefine:
		var x libvirtxml.Domain
		text := in.string()
		if err := x.Unmarshal(text); err != nil {
			return err
		}
		if h.domains[x.Name] != nil {
			return lvError(golibvirt.ErrOperationFailed, "domain %s exists", x.Name)
		}
		h.domains[x.Name] = &fakeDomain{xml: text, state: golibvirt.DomainShutoff, saved: map[string]string{}}
		out.putDomain(x.Name)
		return nil
	}
	var name string
	if proc == procDomainByName {
		name = in.string()
	} else {
		name = in.domain()
	}
	d := h.domains[name]
	if d == nil {
		return lvError(golibvirt.ErrNoDomain, "no domain %s", name)
	}
	is := func(states ...golibvirt.DomainState) error {
		if !slices.Contains(states, d.state) {
			return lvError(golibvirt.ErrOperationInvalid, "domain %s is in state %d", name, d.state)
		}
		return nil
	}
	var err error
	switch proc {
	case procDomainByName:
		out.putDomain(name)
	case procDomainXML:
		out.putString(d.xml)
	case procState:
		out.putInt(uint32(d.state))
		out.putInt(uint32(d.reason))
	case procCreate:
		if err = is(golibvirt.DomainShutoff, golibvirt.DomainCrashed); err == nil {
			d.state, d.memory, d.jobs = golibvirt.DomainRunning, "booted", nil
			if golibvirt.DomainCreateFlags(in.int())&golibvirt.DomainStartPaused != 0 {
				d.state = golibvirt.DomainPaused
			}
		}
		out.putDomain(name)
	case procDestroy:
		if err = is(golibvirt.DomainRunning, golibvirt.DomainPaused); err == nil {
			d.state = golibvirt.DomainShutoff
		}
	case procSuspend:
		if err = is(golibvirt.DomainRunning); err == nil {
			d.state = golibvirt.DomainPaused
		}
	case procResume:
		if err = is(golibvirt.DomainPaused); err == nil {
			d.state = golibvirt.DomainRunning
		}
	case procUndefine:
		delete(h.domains, name)
	}
	return err
}

func (h *fakeHost) networkCall(proc uint32, in, out *xdr) error {
	if proc == procListNetworks {
		out.putInt(uint32(len(h.networks)))
		for n := range h.networks {
			out.putNamed(n)
		}
		out.putInt(uint32(len(h.networks)))
		return nil
	}
	if proc == procNetDefine {
		var x libvirtxml.Network
		if err := x.Unmarshal(in.string()); err != nil {
			return err
		}
		h.networks[x.Name] = &fakeNetwork{x: x}
		out.putNamed(x.Name)
		return nil
	}
	var name string
	if proc == procNetByName {
		name = in.string()
	} else {
		name = in.named()
	}
	n := h.networks[name]
	if n == nil {
		return lvError(golibvirt.ErrNoNetwork, "no network %s", name)
	}
	switch proc {
	case procNetByName:
		out.putNamed(name)
	case procNetXML:
		text, err := n.x.Marshal()
		out.putString(text)
		return err
	case procNetActive:
		out.putBool(n.active)
	case procNetCreate:
		n.active, n.served = true, true
		n.starts++
	case procNetDestroy:
		n.active, n.served = false, false
	case procNetUndefine:
		delete(h.networks, name)
	case procNetUpdate:
		return n.update(golibvirt.NetworkUpdateCommand(in.int()), golibvirt.NetworkUpdateSection(in.int()), in.int(), in.string())
	}
	return nil
}

// update refuses, as libvirt does, a lease whose address, name or MAC is taken.
func (n *fakeNetwork) update(cmd golibvirt.NetworkUpdateCommand, section golibvirt.NetworkUpdateSection, _ uint32, text string) error {
	var host libvirtxml.NetworkDHCPHost
	if err := unmarshal(text, &host); err != nil || section != golibvirt.NetworkSectionIPDhcpHost {
		return lvError(golibvirt.ErrInvalidArg, "section %d, %v", section, err)
	}
	n.served = n.served || !n.stuck // a change of the leases starts a dnsmasq that is not there
	ip := &n.x.IPs[0]
	if ip.DHCP == nil {
		ip.DHCP = &libvirtxml.NetworkDHCP{}
	}
	same := func(o libvirtxml.NetworkDHCPHost) bool {
		return o.MAC == host.MAC || o.IP == host.IP || o.Name == host.Name
	}
	taken := slices.ContainsFunc(ip.DHCP.Hosts, same)
	switch {
	case cmd == golibvirt.NetworkUpdateCommandAddLast && taken:
		return lvError(golibvirt.ErrOperationInvalid, "there is an existing dhcp host entry that matches")
	case cmd == golibvirt.NetworkUpdateCommandAddLast:
		ip.DHCP.Hosts = append(ip.DHCP.Hosts, host)
	case cmd == golibvirt.NetworkUpdateCommandDelete && taken:
		ip.DHCP.Hosts = slices.DeleteFunc(ip.DHCP.Hosts, same)
	default:
		return lvError(golibvirt.ErrOperationInvalid, "couldn't locate a matching dhcp host entry")
	}
	return nil
}

// monitor is QEMU's: snapshot jobs that end at once.
func (h *fakeHost) monitor(in, out *xdr) error {
	d := h.domains[in.domain()]
	if d == nil || d.state == golibvirt.DomainShutoff {
		return lvError(golibvirt.ErrOperationInvalid, "domain is not running")
	}
	var req struct {
		Execute   string
		Arguments struct {
			JobID   string `json:"job-id"`
			ID, Tag string
		}
	}
	if err := json.Unmarshal([]byte(in.string()), &req); err != nil {
		return err
	}
	a := req.Arguments
	var ret any = struct{}{}
	switch req.Execute {
	case "query-named-block-nodes":
		var x libvirtxml.Domain
		if err := x.Unmarshal(d.xml); err != nil {
			return err
		}
		var snaps []qemuSnapshot
		for _, s := range d.snapshots {
			snaps = append(snaps, qemuSnapshot{Name: s, VMStateSize: 1 << 20})
		}
		ret = []any{map[string]any{
			"node-name": "libvirt-1-format", "drv": "qcow2", "file": x.Devices.Disks[0].Source.File.File,
			"image": map[string]any{"snapshots": snaps},
		}}
	case "query-jobs":
		ret = d.jobs
		if d.jobs == nil {
			ret = []qemuJob{}
		}
	case "query-status":
		ret = map[string]bool{"running": d.state == golibvirt.DomainRunning}
	case "job-dismiss":
		d.jobs = slices.DeleteFunc(d.jobs, func(j qemuJob) bool { return j.ID == a.ID })
	case "snapshot-save", "snapshot-load", "snapshot-delete":
		failure := d.snapshot(req.Execute, a.Tag)
		for n, o := range h.domains {
			if o.state == golibvirt.DomainRunning && req.Execute != "snapshot-delete" {
				failure = "the fake wants all machines at a standstill, and " + n + " runs"
			}
		}
		d.jobs = append(d.jobs, qemuJob{ID: a.JobID, Type: req.Execute, Status: "concluded", Error: failure})
	default:
		out.putString(fmt.Sprintf(`{"error":{"class":"CommandNotFound","desc":"The command %s has not been found"}}`, req.Execute))
		return nil
	}
	b, err := json.Marshal(map[string]any{"return": ret, "id": "libvirt-1"})
	out.putString(string(b))
	return err
}

func (d *fakeDomain) snapshot(command, tag string) string {
	has := slices.Contains(d.snapshots, tag)
	switch {
	case command == "snapshot-save":
		d.snapshots = append(d.snapshots, tag)
		d.saved[tag] = d.memory
	case !has:
		return fmt.Sprintf("Snapshot '%s' does not exist in one or more devices", tag)
	case command == "snapshot-load":
		d.memory = d.saved[tag]
	default:
		d.snapshots = slices.DeleteFunc(d.snapshots, func(s string) bool { return s == tag })
	}
	return ""
}

// all says in one line what the host holds, for messages.
func (h *fakeHost) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for n, d := range h.domains {
		fmt.Fprintf(&b, "domain %s (%d) ", n, d.state)
	}
	for n, p := range h.pools {
		fmt.Fprintf(&b, "pool %s (%d volumes) ", n, len(p.volumes))
	}
	for n := range h.networks {
		fmt.Fprintf(&b, "network %s ", n)
	}
	return b.String()
}
