package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/filesum"
	"noriter.dev/noriter/provision/machine"
	"noriter.dev/noriter/provision/seal"
)

// Parcel is a disk that virtual machines find plugged in, with the large files
// that they are going to be sent: a program takes seconds through SSH where
// each byte is decrypted by an emulated processor, and none from a disk.
//
// The initrd mounts it on machine.ParcelDir. It is an ext4 without a journal,
// read only, the same for all machines of a testbed. The file
// machine.ParcelList on it says what it holds.
type Parcel struct {
	// CacheDir keeps the newest one, in a sub-folder "parcel".
	CacheDir string
	// Dir is the testbed's folder for those its machines were made with; its
	// files are links to the cache's, where one file system holds both.
	Dir string
	// Items are what is in it; their base names must differ.
	Items []ParcelItem
	// Say is called with what a person should know although it is mended; nil is
	// silence.
	Say func(string)
}

// ParcelItem is a file of this host, and the mode the machines shall see.
type ParcelItem struct {
	Source string
	Mode   fs.FileMode
}

// parcelSlack is what the file system itself takes at most, in bytes.
const parcelSlack = 8 << 20

// Ensure makes the disk unless it is there and whole, and gives its path in Dir. It
// takes about a second. A full disk is a *machine.HostError.
func (p Parcel) Ensure(ctx context.Context) (string, error) {
	list, size, err := p.list()
	if err != nil {
		return "", err
	}
	name := parcelName(list)
	mine := filepath.Join(p.Dir, name)
	if checkParcel(mine) == nil {
		return mine, nil
	}
	cache := filepath.Join(p.CacheDir, parcelDir)
	for _, dir := range []string{cache, p.Dir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", lang.Errorf("making a folder for the parcel: %w", "꾸러미 폴더 만들기: %w", err)
		}
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), lang.Text{
		EN: "another parcel to be packed", KO: "다른 꾸러미가 만들어지기",
	}, func(string) {})
	if err != nil {
		return "", err
	}
	defer unlock()
	kept := filepath.Join(cache, name)
	if damage := checkParcel(kept); damage != nil {
		if _, err := os.Lstat(kept); err == nil && p.Say != nil {
			p.Say(lang.Textf("the cached parcel was damaged (%v); making it again", "캐시의 꾸러미가 손상되어(%v) 다시 만듭니다", damage).String())
		}
		if err := p.pack(ctx, cache, kept, list, size); err != nil {
			return "", diskFull(cache, 2*size, lang.Errorf("packing the parcel for the machines: %w", "머신에 줄 꾸러미 만들기: %w", err))
		}
	}
	if err := handOver(kept, mine); err != nil {
		return "", diskFull(p.Dir, size, lang.Errorf("handing the parcel to the testbed: %w", "테스트베드에 꾸러미 넘기기: %w", err))
	}
	return mine, nil
}

// parcelDir is where the cache keeps parcels.
const parcelDir = "parcel"

// Name is the file's name, which a hash of the content makes.
func (p Parcel) Name() (string, error) {
	list, _, err := p.list()
	return parcelName(list), err
}

func parcelName(list string) string {
	sum := sha256.Sum256([]byte(list))
	return hex.EncodeToString(sum[:8]) + ".ext4"
}

// parcelSeal is the seal of a parcel. One without is an older nori's, and packed anew.
func parcelSeal(parcel string) string { return parcel + ".seal.json" }

func checkParcel(parcel string) error {
	s, err := seal.Read(parcelSeal(parcel))
	if err != nil {
		return err
	}
	renewed, err := s.Check(filepath.Dir(parcel))
	if err == nil && renewed {
		err = s.Write(parcelSeal(parcel))
	}
	return err
}

// list is the content of machine.ParcelList, and what all files take.
func (p Parcel) list() (string, int64, error) {
	var b strings.Builder
	size := int64(parcelSlack)
	seen := map[string]bool{machine.ParcelList: true, "lost+found": true}
	for _, item := range p.Items {
		name := filepath.Base(item.Source)
		if seen[name] || strings.ContainsAny(name, " \n") {
			return "", 0, lang.Errorf("%s can't be in a parcel: its name is taken, or has a space",
				"%s은(는) 꾸러미에 넣을 수 없습니다: 이름이 이미 쓰였거나 이름에 공백이 있습니다", item.Source)
		}
		seen[name] = true
		sum, err := filesum.Of(item.Source)
		if err != nil {
			return "", 0, lang.Errorf("listing the parcel: %w", "꾸러미 목록 만들기: %w", err)
		}
		// A hundredth more, for the maps of large files.
		size += sum.Size + sum.Size/100 + 8192
		fmt.Fprintf(&b, "%o %s %s\n", item.Mode.Perm(), sum.SHA256, name)
	}
	return b.String(), size, nil
}

// pack makes the disk from copies, so that all in it is root's and has the mode
// asked for. The cache's older parcels go first, with what an interrupted
// packing left: testbeds have links of their own.
func (p Parcel) pack(ctx context.Context, cache, to, list string, size int64) (err error) {
	old, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil {
		return err
	}
	for _, o := range old {
		if filepath.Base(o) != "lock" {
			if err := os.RemoveAll(o); err != nil {
				return err
			}
		}
	}
	if err := checkSpace(cache, 2*size); err != nil {
		return err
	}
	work := filepath.Join(cache, "work")
	part := to + ".part"
	defer func() {
		err = errors.Join(err, os.RemoveAll(work))
		if err != nil {
			_ = os.Remove(part)
		}
	}()
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	for _, item := range p.Items {
		if err := copyFile(item.Source, filepath.Join(work, filepath.Base(item.Source)), item.Mode.Perm()); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(work, machine.ParcelList), []byte(list), 0o644); err != nil {
		return err
	}
	_, err = tool(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "noriter-parcel", "-m", "0", "-b", "4096", "-N", "64",
		"-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=0,assume_storage_prezeroed=1,nodiscard",
		"-d", work, part, fmt.Sprintf("%dk", size>>10))
	if err != nil {
		return err
	}
	if err := os.Chmod(part, 0o644); err != nil {
		return err
	}
	if err := syncTree(cache); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	s, err := seal.Make(cache, filepath.Base(to))
	if err != nil {
		return err
	}
	return s.Write(parcelSeal(to))
}

func copyFile(from, to string, mode fs.FileMode) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		_ = dst.Close()
		return err
	}
	if err := dst.Chmod(mode); err != nil { // whatever the umask
		_ = dst.Close()
		return err
	}
	return dst.Close()
}

// handOver gives a parcel and its seal a second name, or makes second files of them
// where the two are on different file systems. A machine that has an older one of the
// name plugged in keeps it until it is switched off.
func handOver(from, to string) error {
	for _, name := range []func(string) string{func(s string) string { return s }, parcelSeal} {
		part := name(to) + ".part"
		if err := os.RemoveAll(part); err != nil {
			return err
		}
		if err := os.Link(name(from), part); err != nil {
			if err := copyFile(name(from), part, 0o644); err != nil {
				_ = os.Remove(part)
				return err
			}
		}
		if err := os.Rename(part, name(to)); err != nil {
			return err
		}
		// Two names of one file are not renamed.
		if err := os.RemoveAll(part); err != nil {
			return err
		}
	}
	return nil
}
