package testbed

import (
	"context"

	"noriter.dev/noriter/internal/lang"
)

// Off switches a machine off at once, as if its power failed.
func (t *Testbed) Off(ctx context.Context, name string) error {
	return t.locked(ctx, "power", quietly, func(p provider) error {
		if _, ok := t.Address(name); !ok {
			return noMachine(t, name)
		}
		if err := p.Stop(ctx, name); err != nil {
			return lang.Errorf("switching off %s: %w", "%s 끄기: %w", name, err)
		}
		return nil
	})
}

// On switches a machine on and returns when it answers.
func (t *Testbed) On(ctx context.Context, name string) error {
	return t.locked(ctx, "power", quietly, func(p provider) error {
		for _, spec := range t.specs() {
			if spec.Name != name {
				continue
			}
			if err := p.Ensure(ctx, spec); err != nil {
				return lang.Errorf("switching on %s: %w", "%s 켜기: %w", name, err)
			}
			m, err := t.connect(ctx, name, reaching{booting: true})
			if err != nil {
				return err
			}
			return m.Close()
		}
		return noMachine(t, name)
	})
}

// quietly is told of another process that has the testbed, and says nothing.
func quietly(string) {}
