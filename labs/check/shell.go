package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/learner"
)

// Environment is what a learner's shell has in a lab, and so what scripts
// run with: kubectl first on PATH, the kubeconfig, the lab's variables as
// LAB_COLOR and so on, and the folder of the lab's files as LAB_FILES.
func (s *Scope) Environment() []string {
	env := os.Environ()
	if s.BinDir != "" {
		env = append(env, "PATH="+s.BinDir+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if !s.As.Self() { // they can't write to that of this process
		env = append(env, "KUBECACHEDIR="+filepath.Join(filepath.Dir(s.Kubeconfig), "kubectl-cache"))
	}
	env = append(env, "KUBECONFIG="+s.Kubeconfig, "LAB_FILES="+s.Files, "LAB_NAMESPACE="+s.Namespace)
	for name, value := range s.Vars {
		env = append(env, "LAB_"+strings.ToUpper(name)+"="+value)
	}
	return env
}

// Shell runs a script of the lab with bash, in the folder of the lab's files,
// as the learner would type it, with their rights. An exit status other than 0 is in
// Output. One that prints without end is ended.
func (s *Scope) Shell(ctx context.Context, name string) (Output, error) {
	script, err := fs.ReadFile(s.LabFS, name)
	if err != nil {
		return Output{}, fmt.Errorf("reading the script %s: %w", name, err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", string(script))
	cmd.Env, cmd.Dir = s.Environment(), s.Files
	cmd.WaitDelay = 2 * time.Second // don't wait for grandchildren that keep the pipes
	full := func() {
		stop(lang.Errorf("it printed more than %d bytes", "%d바이트보다 많이 출력했습니다", outputLimit))
	}
	stdout, stderr := capped{full: full}, capped{full: full}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	s.As.Own(cmd)
	if s.Elsewhere {
		learner.Apart(cmd)
	}
	err = cmd.Run()
	out := Output{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		out.Code = exit.ExitCode()
		return out, nil
	}
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil && cause != ctx.Err() { // it says more than "killed"
		return Output{}, fmt.Errorf("running %s: %w", name, cause)
	}
	if err != nil {
		return out, fmt.Errorf("running %s: %w\n%s%s", name, err, out.Stdout, out.Stderr)
	}
	return out, nil
}
