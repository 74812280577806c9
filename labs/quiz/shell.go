package quiz

import (
	"fmt"

	"noriter.dev/noriter/internal/learner"
	"noriter.dev/noriter/labs/run"
)

// WriteKubeconfig makes a copy of the learner's kubeconfig that points at the
// quiz's namespace, for a shell to look around in. The learner's own stays as
// it is: a lab may be open beside the quiz. The copy is for who alone.
func (s *Session) WriteKubeconfig(who *learner.User, path string) error {
	data, err := s.Env.User.ReadFile(s.Env.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if err := who.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return who.Do(func() error { return run.SetNamespace(path, s.Namespace) })
}
