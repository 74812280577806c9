// Command pictures draws the pictures of the documents: what runs where, the way of
// a pod, and the way of a request. Run it from the top of the project after a change:
//
//	go run ./internal/pictures
//
// A picture is a table of boxes and arrows in Go. So it is changed like code, and a test
// compares what is drawn with what is committed. Each SVG has colours for light and for
// dark pages, and is 400 units wide: its smallest letters can be read on a telephone.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// pictures are all that are drawn, by their paths from the top of the project.
var pictures = map[string]func() *picture{
	"cluster/architecture.svg": architecture,
	"cluster/pod.svg":          pod,
	"cluster/request.svg":      request,
}

func main() {
	if err := drawAll("."); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

// drawAll writes all pictures below top.
func drawAll(top string) error {
	for path, draw := range pictures {
		if err := os.WriteFile(filepath.Join(top, path), []byte(draw().svg()), 0o644); err != nil {
			return fmt.Errorf("writing a picture (run this from the top of the project): %w", err)
		}
	}
	return nil
}
