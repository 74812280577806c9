package run

import (
	"context"

	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
	"noriter.dev/noriter/labs/picture"
)

// Picture draws the open step's picture as the cluster is now; nil if it has
// none.
func (s *Session) Picture(ctx context.Context) ([]string, error) {
	step, state, err := s.Step()
	if err != nil || step.Picture == nil {
		return nil, err
	}
	fill := func(n *field.Name) string {
		if n == nil || err != nil {
			return ""
		}
		var text string
		text, err = n.Render(ctx, expr.Scope{"vars": state.Vars, "ns": s.Namespace, "files": s.work(),
			"seen": map[string]any{}, "pods": []any{}, "owners": map[string]string{}, "fresh": ""})
		return text
	}
	of := picture.Of{Name: fill(step.Picture.Name), Selector: fill(step.Picture.Selector), Host: fill(step.Picture.Host)}
	if err != nil {
		return nil, err
	}
	scene, err := picture.Gather(ctx, s.Cluster, s.Namespace, step.Picture.Kind, of)
	if err != nil {
		return nil, err
	}
	return scene.Draw(), nil
}
