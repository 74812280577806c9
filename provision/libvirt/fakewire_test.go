package libvirt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// The fake sits at the wire: it speaks libvirt's RPC protocol
// (src/rpc/virnetprotocol.x, src/remote/remote_protocol.x), so all of the
// client's code runs against it.

const (
	remoteProgram = 0x20008086
	qemuProgram   = 0x20008087
	typeReply     = 1
	typeStream    = 3
	statusOK      = 0
	statusError   = 1
	statusMore    = 2
)

// packet is one message: its length comes before it on the wire.
type packet struct {
	Program, Version, Procedure, Type uint32
	Serial                            int32
	Status                            uint32
}

// xdr reads and writes the values of RFC 4506 that the protocol uses.
type xdr struct{ bytes.Buffer }

func (x *xdr) putInt(v uint32)  { _ = binary.Write(x, binary.BigEndian, v) }
func (x *xdr) putLong(v uint64) { _ = binary.Write(x, binary.BigEndian, v) }
func (x *xdr) putString(s string) {
	x.putInt(uint32(len(s)))
	x.WriteString(s)
	x.Write(make([]byte, (4-len(s)%4)%4))
}
func (x *xdr) putUUID() { x.Write(make([]byte, 16)) }
func (x *xdr) int() uint32 {
	return binary.BigEndian.Uint32(x.Next(4))
}
func (x *xdr) string() string {
	n := int(x.int())
	s := string(x.Next(n))
	x.Next((4 - n%4) % 4)
	return s
}
func (x *xdr) uuid() { x.Next(16) }

// The reference of each kind of object, as arguments carry it.
func (x *xdr) domain() string     { n := x.string(); x.uuid(); x.int(); return n }
func (x *xdr) named() string      { n := x.string(); x.uuid(); return n }
func (x *xdr) putDomain(n string) { x.putNamed(n); x.putInt(0xffffffff) }
func (x *xdr) putNamed(n string)  { x.putString(n); x.putUUID() }
func (x *xdr) putVolume(pool, name, key string) {
	x.putString(pool)
	x.putString(name)
	x.putString(key)
}

// fakeHost is a libvirtd with what it manages. It outlives connections.
type fakeHost struct {
	t      *testing.T
	socket string

	mu       sync.Mutex
	domains  map[string]*fakeDomain
	pools    map[string]*fakePool
	busy     int // so often a pool is busy when it is to be looked into
	networks map[string]*fakeNetwork
	calls    int
	// dropAt closes the connection at the call of this number, after doing
	// what it asks: the client dies before it hears of it.
	dropAt int
	// fail answers a procedure with an error of libvirt's.
	fail map[uint32]golibvirt.Error
	// hang never answers a procedure.
	hang map[uint32]bool
}

func newFakeHost(t *testing.T) *fakeHost {
	h := &fakeHost{
		t: t, socket: filepath.Join(t.TempDir(), "s"),
		domains: map[string]*fakeDomain{}, pools: map[string]*fakePool{}, networks: map[string]*fakeNetwork{},
		fail: map[uint32]golibvirt.Error{}, hang: map[uint32]bool{},
	}
	l, err := net.Listen("unix", h.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go h.serve(c)
		}
	}()
	return h
}

func (h *fakeHost) serve(c net.Conn) {
	defer c.Close()
	upload := map[int32]*fakeVolume{}
	for {
		p, body, err := read(c)
		if err != nil {
			return
		}
		if p.Type == typeStream {
			h.stream(c, p, body, upload)
			continue
		}
		h.mu.Lock()
		if h.hang[p.Procedure] {
			h.mu.Unlock()
			continue
		}
		h.calls++
		drop := h.dropAt > 0 && h.calls == h.dropAt
		failure, failed := h.fail[p.Procedure]
		in, out := &xdr{}, &xdr{}
		in.Write(body)
		var doErr error
		if failed {
			doErr = failure
		} else {
			doErr = h.do(p, in, out, upload)
		}
		h.mu.Unlock()
		if drop {
			return
		}
		p.Type, p.Status = typeReply, statusOK
		if doErr != nil {
			p.Status = statusError
			out = failureBody(doErr)
		}
		if write(c, p, out.Bytes()) != nil {
			return
		}
	}
}

// stream takes a packet of an upload; at its end the client waits for a yes.
func (h *fakeHost) stream(c net.Conn, p packet, body []byte, upload map[int32]*fakeVolume) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Status == statusMore {
		upload[p.Serial].content = append(upload[p.Serial].content, body...)
		return
	}
	_ = write(c, p, nil)
}

func failureBody(err error) *xdr {
	var e golibvirt.Error
	if !errors.As(err, &e) {
		e = golibvirt.Error{Code: uint32(golibvirt.ErrInternalError), Message: err.Error()}
	}
	x := &xdr{}
	x.putInt(e.Code)
	x.putInt(10)
	x.putInt(1)
	x.putString(e.Message)
	x.putInt(2)
	return x
}

func read(r io.Reader) (packet, []byte, error) {
	var length uint32
	var p packet
	if err := binary.Read(r, binary.BigEndian, &length); err != nil {
		return p, nil, err
	}
	if err := binary.Read(r, binary.BigEndian, &p); err != nil {
		return p, nil, err
	}
	body := make([]byte, int(length)-28)
	_, err := io.ReadFull(r, body)
	return p, body, err
}

func write(w io.Writer, p packet, body []byte) error {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.BigEndian, uint32(28+len(body)))
	_ = binary.Write(&b, binary.BigEndian, p)
	b.Write(body)
	_, err := w.Write(b.Bytes())
	return err
}
