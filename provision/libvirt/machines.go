package libvirt

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os"
	"path"
	"slices"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/tail"
	"noriter.dev/noriter/provision/machine"
)

// Ensure makes the machine if it is absent, starts it if it is stopped, and
// lets it run on if it is paused. A domain of the machine's name that is not
// this testbed's is an error.
func (p *Provider) Ensure(ctx context.Context, spec machine.Spec) error {
	if err := p.refuseHalf(); err != nil {
		return err
	}
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	if err := p.ensure(ctx, c, spec); err != nil {
		return lang.Errorf("machine %s: %w", "머신 %s: %w", spec.Name, err)
	}
	return nil
}

func (p *Provider) ensure(ctx context.Context, c *conn, spec machine.Spec) error {
	if err := p.ensureLease(ctx, c, spec); err != nil {
		return err
	}
	dom, err := p.lookup(ctx, c, spec.Name)
	if isCode(err, golibvirt.ErrNoDomain) {
		dom, err = p.define(ctx, c, spec)
	}
	if err != nil {
		return err
	}
	return p.run(ctx, c, dom)
}

// lookup finds the machine's domain and makes sure that it is ours.
func (p *Provider) lookup(ctx context.Context, c *conn, name string) (golibvirt.Domain, error) {
	dn := domainName(p.tb.Name, name)
	dom, err := ask(ctx, c, lang.Textf("looking for domain %s", "도메인 %s 찾기", dn), func(lv *golibvirt.Libvirt) (golibvirt.Domain, error) {
		return lv.DomainLookupByName(dn)
	})
	if err != nil {
		return dom, err
	}
	x, err := readDomain(ctx, c, dom)
	if err != nil {
		return dom, err
	}
	return dom, p.checkOwner(lang.Textf("domain %s", "도메인 %s", dn), domainMetadata(x))
}

func domainMetadata(x libvirtxml.Domain) string {
	if x.Metadata == nil {
		return ""
	}
	return x.Metadata.XML
}

func readDomain(ctx context.Context, c *conn, dom golibvirt.Domain) (libvirtxml.Domain, error) {
	var x libvirtxml.Domain
	reading := lang.Textf("reading domain %s", "도메인 %s 읽기", dom.Name)
	text, err := ask(ctx, c, reading, func(lv *golibvirt.Libvirt) (string, error) {
		return lv.DomainGetXMLDesc(dom, golibvirt.DomainXMLInactive)
	})
	if err != nil {
		return x, err
	}
	if err := x.Unmarshal(text); err != nil {
		return x, lang.Errorf("%s: %w", "%s: %w", reading, err)
	}
	return x, nil
}

// define makes the machine's disk and its domain; from here on it exists.
func (p *Provider) define(ctx context.Context, c *conn, spec machine.Spec) (golibvirt.Domain, error) {
	files, err := p.bootFiles(ctx, c)
	if err != nil {
		return golibvirt.Domain{}, err
	}
	virt, err := p.virtType(ctx, c)
	if err != nil {
		return golibvirt.Domain{}, err
	}
	overlay, err := p.ensureOverlay(ctx, c, spec, files.disk)
	if err != nil {
		return golibvirt.Domain{}, err
	}
	parcel, err := p.parcel(ctx)
	if err != nil {
		return golibvirt.Domain{}, err
	}
	hostKey, err := p.ensureHostKey(ctx, c, spec.Name)
	if err != nil {
		return golibvirt.Domain{}, err
	}
	text, err := domainXML(domainSpec{
		tb: p.tb, machine: spec, virt: virt, files: files, disk: overlay, parcel: parcel, hostKey: hostKey,
		console: path.Join(path.Dir(overlay), consoleName(spec.Name)),
	})
	if err != nil {
		return golibvirt.Domain{}, err
	}
	dom, err := ask(ctx, c, lang.Text{EN: "defining the domain", KO: "도메인 정의"}, func(lv *golibvirt.Libvirt) (golibvirt.Domain, error) {
		return lv.DomainDefineXMLFlags(text, golibvirt.DomainDefineValidate)
	})
	return dom, hostError(err)
}

// Stop switches the machine off at once, as if its power failed.
func (p *Provider) Stop(ctx context.Context, name string) error {
	c, ok, err := p.existing(ctx)
	if err != nil || !ok {
		return err
	}
	dom, err := p.lookup(ctx, c, name)
	if isCode(err, golibvirt.ErrNoDomain) {
		return nil
	}
	if err != nil {
		return lang.Errorf("machine %s: %w", "머신 %s: %w", name, err)
	}
	return destroy(ctx, c, dom)
}

// existing is connect for calls that must not make anything: ok is false
// where nothing was made yet.
func (p *Provider) existing(ctx context.Context) (*conn, bool, error) {
	if p.daemon != nil {
		if _, err := os.Stat(p.daemon.path("etc")); errors.Is(err, os.ErrNotExist) {
			return nil, false, nil
		}
	}
	c, err := p.connect(ctx)
	return c, err == nil, err
}

// testbedDomain is a domain of the testbed.
type testbedDomain struct {
	dom     golibvirt.Domain
	machine string
	address netip.Addr
	lifeState
}

// listDomains lists all of libvirt's domains, whosever they are.
func listDomains(ctx context.Context, c *conn) ([]golibvirt.Domain, error) {
	return ask(ctx, c, lang.Text{EN: "listing the domains", KO: "도메인 목록 읽기"}, func(lv *golibvirt.Libvirt) ([]golibvirt.Domain, error) {
		d, _, err := lv.ConnectListAllDomains(1, golibvirt.ConnectListDomainsActive|golibvirt.ConnectListDomainsInactive)
		return d, err
	})
}

// domains finds the testbed's domains, in order of the machines' names.
func (p *Provider) domains(ctx context.Context, c *conn) ([]testbedDomain, error) {
	all, err := listDomains(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []testbedDomain
	for _, dom := range all {
		x, err := readDomain(ctx, c, dom)
		if isCode(err, golibvirt.ErrNoDomain) {
			continue // it went in between
		}
		if err != nil {
			return nil, err
		}
		m, _ := marked(domainMetadata(x))
		if !isMarkedFor(domainMetadata(x), p.tb.Name, p.tb.Dir) {
			continue
		}
		o := testbedDomain{dom: dom, machine: m.Machine}
		o.address, _ = netip.ParseAddr(m.Address) // absent: the zero address
		if o.lifeState, err = stateAndReason(ctx, c, dom); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b testbedDomain) int { return cmp.Compare(a.machine, b.machine) })
	return out, nil
}

// List tells of every machine of the testbed, in order of name.
func (p *Provider) List(ctx context.Context) ([]machine.Info, error) {
	c, ok, err := p.existing(ctx)
	if err != nil || !ok {
		return nil, err
	}
	doms, err := p.domains(ctx, c)
	if err != nil {
		return nil, err
	}
	fault := ""
	if len(doms) > 0 && !p.serves() {
		fault = p.noDHCP()
	}
	var infos []machine.Info
	for _, d := range doms {
		info := machine.Info{Name: d.machine, Address: d.address, State: machine.Stopped, Detail: reasons[d.lifeState].String()}
		switch d.state {
		case golibvirt.DomainRunning, golibvirt.DomainBlocked:
			info.State, info.Detail, info.Fault = machine.Running, lang.T("domain ", "도메인 ")+d.dom.Name, fault
		case golibvirt.DomainPaused, golibvirt.DomainPmsuspended:
			info.State = machine.Paused
		default:
			info.Console = p.consoleTail(d.machine)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// consoleTail is the end of what a machine printed, if it can be read from here.
func (p *Provider) consoleTail(name string) string {
	if p.target.remote() {
		return ""
	}
	text, _ := tail.Of(path.Join(p.poolPath(), consoleName(name)), consoleBytes)
	return text
}

// consoleBytes is how much of a console goes into an error.
const consoleBytes = 2000

// RemoveMachine removes one machine with its disk, and with that its part of
// every snapshot.
func (p *Provider) RemoveMachine(ctx context.Context, name string) error {
	c, ok, err := p.existing(ctx)
	if err != nil || !ok {
		return err
	}
	if err := p.removeFromSnapshots(name); err != nil {
		return err
	}
	dom, err := p.lookup(ctx, c, name)
	switch {
	case isCode(err, golibvirt.ErrNoDomain):
	case err != nil:
		return lang.Errorf("machine %s: %w", "머신 %s: %w", name, err)
	default:
		if err := removeDomain(ctx, c, dom); err != nil {
			return err
		}
	}
	if err := p.removeDisk(ctx, c, name); err != nil {
		return err
	}
	return p.removeLease(ctx, c, name)
}

func removeDomain(ctx context.Context, c *conn, dom golibvirt.Domain) error {
	if err := destroy(ctx, c, dom); err != nil {
		return err
	}
	err := c.call(ctx, lang.Textf("undefining domain %s", "도메인 %s의 정의 삭제", dom.Name), func(lv *golibvirt.Libvirt) error {
		return lv.DomainUndefineFlags(dom, golibvirt.DomainUndefineManagedSave|golibvirt.DomainUndefineSnapshotsMetadata|
			golibvirt.DomainUndefineNvram|golibvirt.DomainUndefineCheckpointsMetadata)
	})
	if isCode(err, golibvirt.ErrNoDomain) {
		return nil
	}
	return err
}

func (p *Provider) removeDisk(ctx context.Context, c *conn, name string) error {
	pool, err := lookupPool(ctx, c, poolName(p.tb.Name))
	if isCode(err, golibvirt.ErrNoStoragePool) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, vol := range []string{diskName(name), consoleName(name), hostKeyName(name)} {
		if err := removeVolume(ctx, c, pool, vol); err != nil {
			return err
		}
	}
	return nil
}
