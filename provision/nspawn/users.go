package nspawn

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/wait"
	"noriter.dev/noriter/provision/machine"
)

// A machine's users are not the host's: it runs in a user namespace (user_namespaces(7)),
// in which its root is an ordinary user of the host that owns nothing but the machine.
// So root on a node sets no clock, makes no device and reads no kernel memory of the
// host, whatever it does. The image stays root's on the disk, and is mounted with its
// owners shifted (shifted.go); what a machine writes belongs to its own users on the
// disk, too.

const (
	// userIDs is how many users and groups a machine has: 65536 for itself, as every
	// system has, and more for user namespaces within.
	userIDs = 1 << 20
	// Machines' ids lie where systemd expects those of containers: 0x80000 to
	// 0x6fffffff (systemd's UIDS-GIDS.md), above what other programs take first.
	firstUserID = 1 << 29
	userSlots   = (0x6fffffff - firstUserID) / userIDs
)

// turnPatience is how long a machine waits for others to have chosen. Anybody may hold the
// lock of a folder, so no one waits for ever; what is risked is two with the same users.
const turnPatience = 20 * time.Second

// settle gives a new machine its users, and writes its record. Testbeds side by side do it
// one after the other, as each must see what the others chose.
func (m *node) settle(ctx context.Context, spec machine.Spec) error {
	beds, err := os.Open(filepath.Dir(m.p.tb.Dir))
	if err != nil {
		return lang.Errorf("choosing the machine's users: %w", "머신의 사용자 고르기: %w", err)
	}
	defer beds.Close() // and so unlocked
	what := lang.Text{EN: "other machines to have chosen their users", KO: "다른 머신이 사용자를 고르기"}
	_, err = wait.Within(ctx, turnPatience, 10*time.Millisecond, what, func(context.Context) (bool, string, error) {
		return unix.Flock(int(beds.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil, "", nil
	})
	if err != nil {
		return err
	}
	users, err := m.p.chooseUsers(m.name)
	if err != nil {
		return err
	}
	if err := m.give(users); err != nil {
		return err
	}
	made := record{Spec: spec, Users: users, CPUs: spec.CPUs}
	if m.hasDisk() {
		made.Disk = rand.Text()
	}
	return m.writeRecord(made)
}

// chooseUsers gives the first host id of a new machine's users, which no other machine
// has; 0 where this host can't have such machines.
func (p *Provider) chooseUsers(name string) (int, error) {
	if !p.canShift() {
		return 0, nil
	}
	taken, err := p.takenUsers()
	if err != nil {
		return 0, err
	}
	// Begin where no one else does: there are testbeds that are not known here.
	seed, err := hex.DecodeString(p.tag("users of " + name)[:8])
	if err != nil {
		return 0, err
	}
	start := int(binary.BigEndian.Uint32(seed))
	for i := range userSlots {
		if id := firstUserID + (start+i)%userSlots*userIDs; !taken[id] {
			return id, nil
		}
	}
	return 0, lang.Errorf("all ranges of users are taken", "쓸 수 있는 사용자 범위가 남지 않았습니다")
}

// takenUsers are the first ids of all machines that are known here: of this testbed and
// its snapshots, of the testbeds beside it, and whatever runs on the host.
func (p *Provider) takenUsers() (map[int]bool, error) {
	taken := map[int]bool{}
	beds, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(p.tb.Dir)), "*", "nspawn", "machines", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range beds {
		var rec record
		b, err := os.ReadFile(filepath.Join(dir, recordName))
		if err == nil && json.Unmarshal(b, &rec) == nil { // of whatever version
			taken[rec.Users] = true
		}
	}
	snapshots, err := p.readSnapshots()
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		for _, rec := range s.Machines {
			taken[rec.Users] = true
		}
	}
	maps, err := filepath.Glob("/proc/[0-9]*/uid_map")
	for _, path := range maps {
		for _, first := range mappedFrom(path) {
			taken[first/userIDs*userIDs] = true
		}
	}
	return taken, err
}

// mappedFrom are the host ids at which the ranges of a process's user namespace begin
// (user_namespaces(7): inside, outside, how many).
func mappedFrom(path string) (ids []int) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil // it has ended
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 {
			if id, err := strconv.Atoi(f[1]); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// escapeGlob guards what filepath.Match takes for a pattern.
func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

// give makes the machine's files its users'.
func (m *node) give(users int) error {
	if users == 0 {
		return nil
	}
	for _, d := range []string{m.upper(), m.containerd()} {
		if err := giveTree(d, users); err != nil {
			return lang.Errorf("giving the machine its files: %w", "머신에 파일 넘기기: %w", err)
		}
	}
	return nil
}

// giveTree shifts the owners of a folder and of all in it.
func giveTree(dir string, first int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := stat(path)
		if err != nil {
			return err
		}
		if err := os.Lchown(path, first+int(st.Uid), first+int(st.Gid)); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return nil
		}
		return unix.Chmod(path, st.Mode&0o7777) // chown has taken set-user-ID away
	})
}

// delegated are the files of a cgroup that its owner works with (cgroups(7), Delegation).
var delegated = []string{"cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks"}

// give makes the cgroup the machine's, so that it can divide it further. Its limits are
// in the group above.
func (g group) give(first int) error {
	if first == 0 {
		return nil
	}
	for _, h := range g.trees {
		dir := g.dir(h)
		err := os.Chown(dir, first, first)
		for _, f := range delegated {
			if e := os.Chown(filepath.Join(dir, f), first, first); !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
		if err != nil {
			return lang.Errorf("giving the cgroup to the machine: %w", "cgroup을 머신에 넘기기: %w", err)
		}
	}
	return nil
}
