// Package stock is what the programs were handed out with: entries of the cache
// (the machine image, the container images), made once, packed, and never written
// to again. Whoever finds an entry missing in the cache unpacks it from here
// before making it anew, which takes longer and needs the network.
//
// A stock is a folder of archives (tar, zstd) with a list that has the checksum of
// each. An entry is named by its path in the cache, and that holds the hash of all
// that it is made of: so a stock of another version has no entry that would not fit.
package stock

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/provision/machine"
)

// listName is the list of what is in a stock.
const listName = "stock.json"

// Stock is a folder of packed entries. The zero value has none.
type Stock struct {
	// Dir is its folder.
	Dir string `json:"-"`
	// Version is that of the programs it was made with.
	Version string `json:"version"`
	// Entries are in the order in which they were packed.
	Entries []Entry `json:"entries"`
}

// Entry is one entry of the cache.
type Entry struct {
	// Path is where the cache has it: "image/ID".
	Path string `json:"path"`
	// File is its archive.
	File string `json:"file"`
	// SHA256 is the archive's checksum in hex, Size its size in bytes.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// Unpacked is what its files hold, in bytes.
	Unpacked int64 `json:"unpacked"`
}

// Programs is where a package puts the programs, and Images where it puts the stock;
// both are below one folder, which is /usr or wherever an archive was unpacked.
const (
	Programs = "lib/noriter/bin"
	Images   = "share/noriter/images"
)

// Here opens the stock that came with this program. One that was built here has none,
// which is no error.
func Here() (Stock, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return Stock{}, lang.Errorf("looking for this program's folder: %w", "이 프로그램의 폴더 찾기: %w", err)
	}
	return beside(filepath.Dir(self))
}

// beside opens the stock that came with the programs in a folder.
func beside(binDir string) (Stock, error) {
	prefix, ok := strings.CutSuffix(filepath.Clean(binDir), "/"+Programs)
	if !ok {
		return Stock{}, nil
	}
	return Open(filepath.Join("/", prefix, Images))
}

// Open reads a stock's list. A folder that is not there is a stock without entries;
// a list that can't be read is a *machine.HostError.
func Open(dir string) (Stock, error) {
	list, err := os.ReadFile(filepath.Join(dir, listName))
	if errors.Is(err, fs.ErrNotExist) {
		return Stock{}, nil
	}
	s := Stock{Dir: dir}
	if err == nil {
		err = json.Unmarshal(list, &s)
	}
	if err != nil {
		return Stock{}, s.damaged(listName, err)
	}
	return s, nil
}

// Find gives the entry of a path of the cache.
func (s Stock) Find(path string) (Entry, bool) {
	for _, e := range s.Entries {
		if e.Path == path {
			return e, true
		}
	}
	return Entry{}, false
}

// damaged says that a file of the stock is not what it was.
func (s Stock) damaged(file string, err error) error {
	return &machine.HostError{
		What: lang.Textf("%s, which came with nori, is damaged", "nori와 함께 온 %s이(가) 손상되었습니다", filepath.Join(s.Dir, file)).String(),
		Remedy: lang.T("install the package again (apt-get install --reinstall noriter), or unpack the archive again",
			"패키지를 다시 설치하거나(apt-get install --reinstall noriter) 아카이브를 다시 푸세요"),
		Err: err,
	}
}
