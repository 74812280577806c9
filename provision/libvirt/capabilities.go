package libvirt

import (
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/machine"
)

// hasKVM says whether this libvirt offers kvm at all.
func (c *conn) hasKVM(ctx context.Context) (bool, error) {
	text, err := ask(ctx, c, lang.Text{EN: "reading libvirt's capabilities", KO: "libvirt의 기능 목록 읽기"}, (*golibvirt.Libvirt).ConnectGetCapabilities)
	if err != nil {
		return false, err
	}
	var caps libvirtxml.Caps
	if err := caps.Unmarshal(text); err != nil {
		return false, lang.Errorf("reading libvirt's capabilities: %w", "libvirt의 기능 목록 읽기: %w", err)
	}
	emulator := false
	for _, g := range caps.Guests {
		if g.OSType != "hvm" || g.Arch.Name != "x86_64" {
			continue
		}
		emulator = true
		for _, d := range g.Arch.Domains {
			if d.Type == "kvm" {
				return true, nil
			}
		}
	}
	if !emulator {
		return false, &machine.HostError{
			What:   lang.Textf("%s has no QEMU for x86_64", "%s에 x86_64용 QEMU가 없습니다", c.target.text()).String(),
			Remedy: distro.Remedy("qemu-system-x86_64"),
		}
	}
	return false, nil
}
