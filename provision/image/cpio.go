package image

import (
	"fmt"
	"io"
	"strings"
)

// cpio writes the "newc" archive that the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type cpio struct {
	w   io.Writer
	ino int
	err error
}

// add writes one entry; dev is major<<8|minor of a device node.
func (c *cpio) add(name string, mode, dev int, content []byte) {
	c.ino++
	c.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.ino, mode, 0, 0, 1, 0, len(content), 0, 0, dev>>8, dev&0xff, len(name)+1, 0)
	c.printf("%s\x00%s", name, strings.Repeat("\x00", (4-(110+len(name)+1)%4)%4))
	c.printf("%s%s", content, strings.Repeat("\x00", (4-len(content)%4)%4))
}

func (c *cpio) printf(format string, args ...any) {
	if c.err == nil {
		_, c.err = fmt.Fprintf(c.w, format, args...)
	}
}
