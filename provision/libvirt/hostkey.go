package libvirt

import (
	"bytes"
	"context"

	golibvirt "github.com/digitalocean/go-libvirt"

	"noriter.dev/noriter/internal/lang"
)

// hostKeyItem is the machine's SSH host key among QEMU's firmware configuration,
// under the name by which systemd takes it for a credential
// (systemd.system-credentials(7)).
const hostKeyItem = "opt/io.systemd.credentials/ssh.hostkey.ed25519"

func hostKeyName(machine string) string { return machine + ".hostkey" }

// ensureHostKey puts the machine's host key into a file of the pool that only
// libvirt and QEMU may read, and gives its path. QEMU's arguments hold that path:
// everybody on its host may read those, and what is defined of a domain, too.
func (p *Provider) ensureHostKey(ctx context.Context, c *conn, machine string) (string, error) {
	key := p.tb.HostKeys[machine]
	if len(key) == 0 {
		return "", lang.Errorf("machine %s has no SSH host key, so nothing could check who answers at its address",
			"머신 %s에 SSH 호스트 키가 없어서, 그 주소에서 누가 응답하는지 확인할 수 없습니다", machine)
	}
	pool, err := lookupPool(ctx, c, poolName(p.tb.Name))
	if err != nil {
		return "", err
	}
	u := uploader{c: c, pool: pool, name: hostKeyName(machine), size: uint64(len(key)), mode: "0600"}
	if err := removeVolume(ctx, c, pool, u.name); err != nil {
		return "", err
	}
	vol, err := u.makeVolume(ctx, u.name, u.size)
	if err != nil {
		return "", err
	}
	var place string
	err = c.call(ctx, lang.Textf("keeping the host key of %s", "%s의 호스트 키 두기", machine), func(lv *golibvirt.Libvirt) error {
		if err := lv.StorageVolUpload(vol, bytes.NewReader(key), 0, u.size, 0); err != nil {
			return err
		}
		place, err = lv.StorageVolGetPath(vol)
		return err
	})
	return place, hostError(err)
}
