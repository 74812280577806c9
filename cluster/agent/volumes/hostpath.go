package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	v1 "k8s.io/api/core/v1"
)

// hostPath hands out a path of the node itself, after looking, or making sure, that it is
// of the type asked for (pkg/volume/hostpath). Nothing of it is ever removed.
func hostPath(src *v1.HostPathVolumeSource) (Mounted, error) {
	got := Mounted{Path: src.Path, Plugin: "kubernetes.io/host-path"}
	if src.Type == nil || *src.Type == v1.HostPathUnset {
		return got, nil
	}
	return got, checkHostPath(src.Path, *src.Type)
}

// hostPathKinds says what each type expects, in the words of the event.
var hostPathKinds = map[v1.HostPathType]struct {
	file v1.HostPathType
	word string
	make func(path string) error
}{
	v1.HostPathDirectoryOrCreate: {v1.HostPathDirectory, "directory", makeHostDir},
	v1.HostPathDirectory:         {v1.HostPathDirectory, "directory", nil},
	v1.HostPathFileOrCreate:      {v1.HostPathFile, "file", makeHostFile},
	v1.HostPathFile:              {v1.HostPathFile, "file", nil},
	v1.HostPathSocket:            {v1.HostPathSocket, "socket file", nil},
	v1.HostPathCharDev:           {v1.HostPathCharDev, "character device", nil},
	v1.HostPathBlockDev:          {v1.HostPathBlockDev, "block device", nil},
}

// checkHostPath compares what is at the path with the type asked for, and makes what the
// types that end in OrCreate may make.
func checkHostPath(path string, want v1.HostPathType) error {
	kind, ok := hostPathKinds[want]
	if !ok {
		return fmt.Errorf("%s is an invalid volume type", want)
	}
	have, err := hostPathType(path)
	if errors.Is(err, fs.ErrNotExist) && kind.make != nil {
		return kind.make(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("path %q does not exist", path)
	}
	if err != nil {
		return fmt.Errorf("hostPath type check failed, %s is not a %s, unable to determine its type: %w", path, kind.word, err)
	}
	if have != kind.file {
		return fmt.Errorf("hostPath type check failed: %s is not a %s, it's a %s", path, kind.word, have)
	}
	return nil
}

// hostPathType says what is at path, links followed.
func hostPathType(path string) (v1.HostPathType, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return v1.HostPathDirectory, nil
	case mode.IsRegular():
		return v1.HostPathFile, nil
	case mode&fs.ModeSocket != 0:
		return v1.HostPathSocket, nil
	case mode&fs.ModeCharDevice != 0:
		return v1.HostPathCharDev, nil
	case mode&fs.ModeDevice != 0:
		return v1.HostPathBlockDev, nil
	}
	return "", fmt.Errorf("only recognise file, directory, socket, block device and character device")
}

func makeHostDir(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("creating the hostPath directory: %w", err)
	}
	return nil
}

// makeHostFile makes an empty file; its directory has to exist.
func makeHostFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("creating the hostPath file: %w", err)
	}
	return f.Close()
}
