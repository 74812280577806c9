package libvirt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// networkName is the libvirt network of a testbed.
func networkName(testbed string) string { return "nori-" + testbed }

// poolName is the storage pool that holds a testbed's disks.
func poolName(testbed string) string { return "nori-" + testbed }

// cachePool is the storage pool of the images that were sent to a host; all
// testbeds of the host share it, and it outlives them.
const cachePool = "nori-cache"

// domainName is the libvirt domain of a testbed's machine.
func domainName(testbed, name string) string { return "nori-" + testbed + "-" + name }

// maxInterfaceName is IFNAMSIZ less the closing NUL, linux/if.h.
const maxInterfaceName = 15

// BridgeName is the bridge of a testbed's network. A name that does not fit
// is cut, and made unique again by a hash.
func BridgeName(testbed string) string {
	name := "nori-" + testbed
	if len(name) <= maxInterfaceName {
		return name
	}
	sum := sha256.Sum256([]byte(testbed))
	return name[:maxInterfaceName-5] + "-" + hex.EncodeToString(sum[:2])
}

// macAddress is a machine's hardware address: the same at every start, in QEMU's own
// range, so that its lease is fixed and a snapshot's network fits.
func macAddress(testbed, name string) string {
	sum := sha256.Sum256([]byte("mac/" + testbed + "/" + name))
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", sum[0], sum[1], sum[2])
}

// uuid is a fixed UUID (RFC 9562, version 8) of a thing of a testbed, so that
// defining it again changes it instead of making a second one.
func uuid(kind, testbed, name string) string {
	sum := sha256.Sum256([]byte(kind + "/" + testbed + "/" + name))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
