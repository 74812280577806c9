package ingress

import (
	"context"
	"errors"

	networkingv1 "k8s.io/api/networking/v1"
)

// tester says whether nginx takes a configuration; that it does not is a
// refusedError.
type tester func(ctx context.Context, c nginxConfig) error

// refused is an Ingress without which nginx takes the configuration.
type refused struct {
	ingress *networkingv1.Ingress
	err     *refusedError
}

// bisect finds the configuration with as many Ingresses as nginx takes, the older
// ones first. nginx knows only one file: one wrong expression in it, and no Ingress of the
// cluster could change any more. So the wrong ones are found and left out.
//
// If nginx takes all, that is one test; each one that it refuses costs as many more as it
// takes to halve the number of Ingresses down to one. An error is one of testing, not of a
// configuration.
func bisect(ctx context.Context, w world, test tester) (nginxConfig, []problem, []refused, error) {
	s := &bisection{world: w, test: test}
	if err := s.add(ctx, byAge(w.Ingresses)); err != nil {
		return nginxConfig{}, nil, nil, err
	}
	c, problems := build(w.with(s.good))
	return c, problems, s.bad, nil
}

// bisection is how far the search has come.
type bisection struct {
	world world
	test  tester
	good  []*networkingv1.Ingress
	bad   []refused
}

// add adds Ingresses to the good ones, all at once or else half by half. They are always
// tested together with those found good before, because it may be the two of them that
// nginx does not take.
func (s *bisection) add(ctx context.Context, more []*networkingv1.Ingress) error {
	together := append(s.good[:len(s.good):len(s.good)], more...)
	c, _ := build(s.world.with(together))
	err := s.test(ctx, c)
	var refusal *refusedError
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
	if err := s.add(ctx, more[:half]); err != nil {
		return err
	}
	return s.add(ctx, more[half:])
}
