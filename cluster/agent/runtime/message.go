package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	v1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// maxMessage is how much of a termination message a pod's status takes, in bytes:
	// MaxContainerTerminationMessageLength in pkg/kubelet/container/runtime.go.
	maxMessage = 4096
	// maxLogMessage (bytes) and maxLogLines bound what is taken from the log in its place
	// (MaxContainerTerminationMessageLogLength and …LogLines).
	maxLogMessage = 2048
	maxLogLines   = 80
	// maxRead is how much of a log's end is read for that, in bytes: each line has its
	// time and stream before it, which are not part of the message.
	maxRead = 16 * maxLogMessage
)

// getTerminationMessage is the runtime's own message and what the container left at its
// terminationMessagePath; with FallbackToLogsOnError the end of a failed
// container's log stands in for a missing one (getTerminationMessage in
// pkg/kubelet/kuberuntime/kuberuntime_container.go).
func getTerminationMessage(s *cri.ContainerStatus) string {
	path := s.Annotations[annotationMessagePath]
	policy := v1.TerminationMessagePolicy(s.Annotations[annotationMessagePolicy])
	text := ""
	for _, m := range s.Mounts {
		if path != "" && m.ContainerPath == path {
			text = readTail(m.HostPath)
		}
	}
	if text == "" && policy == v1.TerminationMessageFallbackToLogsOnError &&
		s.ExitCode != 0 && s.Reason != "ContainerCannotRun" {
		text = lastLogLines(s.LogPath)
	}
	switch {
	case s.Message == "":
		return text
	case text == "":
		return s.Message
	}
	return s.Message + ": " + text
}

// readTail is the end of the file that the container wrote; it need not be there.
func readTail(path string) string {
	data, err := tail(path, maxMessage)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return fmt.Sprintf("Error on reading termination log %s: %v", path, err)
	}
	return string(data)
}

// tail is at most limit bytes from the end of a file.
func tail(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		if _, err := f.Seek(-limit, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// lastLogLines strips the time, the stream and the tag from the end of a CRI log
// (<RFC3339Nano> stdout|stderr F|P text).
func lastLogLines(path string) string {
	data, err := tail(path, maxRead)
	if err != nil {
		return fmt.Sprintf("Error on reading termination message from logs: %v", err)
	}
	lines := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	if len(lines) > maxLogLines {
		lines = lines[len(lines)-maxLogLines:]
	}
	var out strings.Builder
	for _, line := range lines {
		parts := bytes.SplitN(line, []byte(" "), 4)
		if len(parts) < 4 {
			continue // cut in the middle by the tail
		}
		out.Write(parts[3])
		if string(parts[2]) == "F" {
			out.WriteByte('\n')
		}
	}
	text := out.String()
	if len(text) > maxLogMessage {
		text = text[len(text)-maxLogMessage:]
	}
	return text
}
