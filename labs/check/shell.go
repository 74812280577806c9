package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Environment is what a learner's shell has in a lab, and so what scripts
// run with: kubectl first on PATH, the kubeconfig, the lab's variables as
// LAB_COLOR and so on, and the folder of the lab's files as LAB_FILES.
func (s *Scope) Environment() []string {
	env := os.Environ()
	if s.BinDir != "" {
		env = append(env, "PATH="+s.BinDir+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	env = append(env, "KUBECONFIG="+s.Kubeconfig, "LAB_FILES="+s.Files, "LAB_NAMESPACE="+s.Namespace)
	for name, value := range s.Vars {
		env = append(env, "LAB_"+strings.ToUpper(name)+"="+value)
	}
	return env
}

// Shell runs a script of the lab with bash, in the folder of the lab's files,
// as the learner would type it. An exit status other than 0 is in Output.
func (s *Scope) Shell(ctx context.Context, name string) (Output, error) {
	script, err := fs.ReadFile(s.LabFS, name)
	if err != nil {
		return Output{}, fmt.Errorf("reading the script %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", string(script))
	cmd.Env, cmd.Dir = s.Environment(), s.Files
	cmd.WaitDelay = 2 * time.Second // don't wait for grandchildren that keep the pipes
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	out := Output{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		out.Code = exit.ExitCode()
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("running %s: %w\n%s%s", name, err, out.Stdout, out.Stderr)
	}
	return out, nil
}
