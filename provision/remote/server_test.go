package remote

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// server is a real SSH server on loopback, which runs commands and serves
// files of this host below a folder of the test.
type server struct {
	t        *testing.T
	listener net.Listener
	config   *ssh.ServerConfig
	target   Target

	// cutAfter closes a connection when it has received so many bytes;
	// 0 is never. It is used up by one connection.
	cutAfter atomic.Int64
	// damage flips a bit of the next large write, once.
	damage atomic.Bool
	// full refuses to write files, as a full disk does.
	full atomic.Bool
	// received counts all bytes.
	received atomic.Int64
	accepted atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
}

func newServer(t *testing.T) *server {
	t.Helper()
	host, client := newKey(t), newKey(t)
	s := &server{t: t, config: &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), client.PublicKey().Marshal()) {
				return nil, errors.New("not this key")
			}
			return nil, nil
		},
	}}
	s.config.AddHostKey(host)
	s.listen("127.0.0.1:0")
	port := s.listener.Addr().(*net.TCPAddr).Port
	s.target = Target{Name: "node1", Address: netip.MustParseAddr("127.0.0.1"), Port: port, Signer: client, HostKey: host.PublicKey()}
	t.Cleanup(s.stop)
	return s
}

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	pair, err := NewKeyPair("test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pair.Private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (s *server) listen(addr string) {
	s.t.Helper()
	var err error
	if s.listener, err = net.Listen("tcp", addr); err != nil {
		s.t.Fatal(err)
	}
	go func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			cut := &cutConn{Conn: c, s: s, left: s.cutAfter.Swap(0)}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			go s.serve(cut)
		}
	}(s.listener)
}

// stop ends the server and all connections, as a machine's reboot does.
func (s *server) stop() {
	_ = s.listener.Close()
	s.drop()
}

func (s *server) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// cutConn counts what comes in and closes at a limit.
type cutConn struct {
	net.Conn
	s    *server
	left int64
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.s.received.Add(int64(n))
	if c.left > 0 {
		if c.left -= int64(n); c.left <= 0 {
			_ = c.Close()
			return 0, io.EOF
		}
	}
	return n, err
}

func (s *server) serve(raw net.Conn) {
	conn, chans, reqs, err := ssh.NewServerConn(raw, s.config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(reqs)
	for nc := range chans {
		switch nc.ChannelType() {
		case "session":
			ch, reqs, err := nc.Accept()
			if err == nil {
				go s.session(ch, reqs)
			}
		case "direct-tcpip":
			go forward(nc)
		default:
			_ = nc.Reject(ssh.UnknownChannelType, "no such thing")
		}
	}
}

func forward(nc ssh.NewChannel) {
	var to struct {
		Host  string
		Port  uint32
		From  string
		FPort uint32
	}
	if err := ssh.Unmarshal(nc.ExtraData(), &to); err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	c, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(to.Host), Port: int(to.Port)})
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	go func() { _, _ = io.Copy(c, ch); _ = c.CloseWrite() }()
	_, _ = io.Copy(ch, c)
	_ = ch.Close()
}

func (s *server) session(ch ssh.Channel, reqs <-chan *ssh.Request) {
	defer ch.Close()
	var cmd *exec.Cmd
	done := make(chan struct{})
	for {
		select {
		case <-done:
			return
		case req, ok := <-reqs:
			if !ok {
				if cmd != nil && cmd.Process != nil {
					_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP)
				}
				return
			}
			var arg struct{ S string }
			_ = ssh.Unmarshal(req.Payload, &arg)
			switch {
			case req.Type == "exec":
				cmd = s.start(ch, arg.S, done)
			case req.Type == "subsystem" && arg.S == "sftp":
				go func() { s.sftp(ch); close(done) }()
			case req.Type == "signal" && cmd != nil && arg.S == "KILL":
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			case req.Type == "pty-req":
			default:
				_ = req.Reply(false, nil)
				continue
			}
			_ = req.Reply(true, nil)
		}
	}
}

func (s *server) start(ch ssh.Channel, line string, done chan struct{}) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Error(err)
		return nil
	}
	go func() { _, _ = io.Copy(in, ch); _ = in.Close() }()
	go func() {
		defer close(done)
		_ = cmd.Wait()
		ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if ws.Signaled() {
			_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
				S    string
				Core bool
				M, L string
			}{S: "KILL"}))
			return
		}
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ N uint32 }{uint32(ws.ExitStatus())}))
	}()
	return cmd
}

// fullDisk is an SFTP server's files, none of which can be written.
type fullDisk struct{ sftp.FileWriter }

func (fullDisk) Filewrite(*sftp.Request) (io.WriterAt, error) { return nil, sftp.ErrSSHFxFailure }

func (s *server) sftp(ch ssh.Channel) {
	if s.full.Load() {
		files := sftp.InMemHandler()
		files.FilePut = fullDisk{}
		_ = sftp.NewRequestServer(ch, files).Serve()
		return
	}
	srv, err := sftp.NewServer(&damaging{ReadWriteCloser: ch, s: s})
	if err != nil {
		s.t.Error(err)
		return
	}
	_ = srv.Serve()
}

// damaging flips a bit of a large write on its way to the disk.
type damaging struct {
	io.ReadWriteCloser
	s *server
}

func (d *damaging) Read(b []byte) (int, error) {
	n, err := d.ReadWriteCloser.Read(b)
	if n > 4000 && d.s.damage.CompareAndSwap(true, false) {
		b[n-1] ^= 1
	}
	return n, err
}

// names lists a folder's files.
func names(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
