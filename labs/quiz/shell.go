package quiz

import (
	"fmt"
	"os"

	"noriter.dev/noriter/labs/run"
)

// WriteKubeconfig makes a copy of the learner's kubeconfig that points at the
// quiz's namespace, for a shell to look around in. The learner's own stays as
// it is: a lab may be open beside the quiz.
func (s *Session) WriteKubeconfig(path string) error {
	data, err := os.ReadFile(s.Env.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return run.SetNamespace(path, s.Namespace)
}
