package ingress

import (
	"context"
	"errors"

	networkingv1 "k8s.io/api/networking/v1"
)

// tester says whether nginx takes a configuration; that it does not is a
// RefusedError.
type tester func(ctx context.Context, c Config) error

// refused is an Ingress without which nginx takes the configuration.
type refused struct {
	ingress *networkingv1.Ingress
	err     *RefusedError
}

// settle finds the configuration with as many Ingresses as nginx takes, the older
// ones first. If it takes all, that is one test; each one that it refuses costs
// as many more as it takes to halve the number of Ingresses down to one. An error
// is one of testing, not of a configuration.
func settle(ctx context.Context, w World, test tester) (Config, []Problem, []refused, error) {
	s := &settling{world: w, test: test}
	if err := s.take(ctx, byAge(w.Ingresses)); err != nil {
		return Config{}, nil, nil, err
	}
	c, problems := Build(w.with(s.good))
	return c, problems, s.bad, nil
}

type settling struct {
	world World
	test  tester
	good  []*networkingv1.Ingress
	bad   []refused
}

// take adds Ingresses to the good ones, all at once or else half by half.
func (s *settling) take(ctx context.Context, more []*networkingv1.Ingress) error {
	together := append(s.good[:len(s.good):len(s.good)], more...)
	c, _ := Build(s.world.with(together))
	err := s.test(ctx, c)
	var refusal *RefusedError
	switch {
	case err == nil:
		s.good = together
		return nil
	case !errors.As(err, &refusal):
		return err
	case len(more) == 0:
		// Not even a configuration without any of them: nothing is wrong with an Ingress.
		return err
	case len(more) == 1:
		s.bad = append(s.bad, refused{more[0], refusal})
		return nil
	}
	half := len(more) / 2
	if err := s.take(ctx, more[:half]); err != nil {
		return err
	}
	return s.take(ctx, more[half:])
}
