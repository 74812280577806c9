package libvirt

import (
	"errors"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/distro"
	"noriter.dev/noriter/provision/machine"
)

// roomNeeded is what must be free on the disks' file system for a failure to have another
// cause than that.
const roomNeeded = 64 << 20

// ifFull says of a failure that the host's disk is full, if it is: QEMU calls it an
// input/output error.
func (p *Provider) ifFull(err error) error {
	var fs unix.Statfs_t
	if p.target.remote() || unix.Statfs(p.poolPath(), &fs) != nil || fs.Bavail*uint64(fs.Bsize) >= roomNeeded {
		return err
	}
	return &machine.HostError{What: lang.T("this host's disk is full", "이 호스트의 디스크가 가득 찼습니다"), Remedy: "df -h " + p.poolPath(), Err: err}
}

// hostError turns what libvirt says of a lack of the host into a HostError.
func hostError(err error) error {
	var e golibvirt.Error
	if !errors.As(err, &e) {
		return err
	}
	fewerMachines := "nori up --nodes 1   # " + lang.T("or end other programs", "또는 다른 프로그램을 끝내세요")
	for _, known := range []struct {
		text   string
		what   lang.Text
		remedy string
	}{
		{"Cannot find 'dnsmasq'", lang.Text{EN: "libvirt finds no dnsmasq for its network", KO: "libvirt가 네트워크에 쓸 dnsmasq를 찾지 못합니다"}, distro.Remedy("dnsmasq")},
		{"is already in use by interface", lang.Text{EN: "the testbed's subnet is taken on this host", KO: "테스트베드의 서브넷을 이 호스트가 이미 쓰고 있습니다"}, "nori doctor"},
		{"already in use by interface", lang.Text{EN: "the testbed's subnet is taken on this host", KO: "테스트베드의 서브넷을 이 호스트가 이미 쓰고 있습니다"}, "nori doctor"},
		{"Cannot allocate memory", lang.Text{EN: "the host has too little free memory for the machine", KO: "호스트에 이 머신을 위한 메모리가 부족합니다"}, fewerMachines},
		{"cannot set up guest memory", lang.Text{EN: "the host has too little free memory for the machine", KO: "호스트에 이 머신을 위한 메모리가 부족합니다"}, fewerMachines},
		{"No space left on device", lang.Text{EN: "the disk is full", KO: "디스크가 가득 찼습니다"}, "df -h"},
		{"Could not access KVM kernel module", lang.Text{EN: "KVM does not work here", KO: "여기서는 KVM이 동작하지 않습니다"}, "nori doctor"},
	} {
		if strings.Contains(e.Message, known.text) {
			return &machine.HostError{What: known.what.String(), Remedy: known.remedy, Err: err}
		}
	}
	return err
}
