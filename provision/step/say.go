package step

import "context"

// Said is the kind of an event that is a line by itself: what a person should know
// although nothing has to be done about it. It has a Note, and a Step only where one said it.
const Said Kind = 100

type sayKey struct{}

// Say tells a line from within a step, by its context. Elsewhere nobody hears it.
func Say(ctx context.Context, line string) {
	if say, ok := ctx.Value(sayKey{}).(func(string)); ok {
		say(line)
	}
}

// saying lets a step's Run use Say.
func (r *run) saying(ctx context.Context, s *Step) context.Context {
	return context.WithValue(ctx, sayKey{}, func(line string) { r.tell(Event{Step: s, Kind: Said, Note: line}) })
}

// Hearing gives a context for what is done outside of a list of steps.
func Hearing(ctx context.Context, report Reporter) context.Context {
	return context.WithValue(ctx, sayKey{}, func(line string) {
		if report != nil {
			report(Event{Kind: Said, Note: line})
		}
	})
}
