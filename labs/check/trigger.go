package check

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
)

// Limits of a triggered check that names none.
const (
	defaultRecovery = 30 * time.Second
	goneLimit       = 45 * time.Second // a pod's default grace is 30 s
)

// Trigger acts, then looks again until the check in Then holds (or, with
// Stays, as long as it does), and undoes what it did. Say is told what is
// being done.
func (c *Cluster) Trigger(ctx context.Context, s *Scope, ck *format.Check, say func(string)) Result {
	t := ck.Triggered
	hit, err := c.victims(ctx, s, t.Target())
	if err != nil {
		return unseen(ctx, ck, c.variables(ctx, s), err)
	}
	before := contents(hit)
	undo, err := c.act(ctx, s, t, hit, say)
	if err != nil {
		return unseen(ctx, ck, c.variables(ctx, s), errors.Join(err, c.undo(ctx, undo)))
	}
	extra := expr.Scope{"before": before}
	var r Result
	if t.Stays > 0 {
		r = c.stays(ctx, s, t, hit, extra)
	} else {
		r = c.recovers(ctx, s, t, extra)
	}
	r = ownWords(ctx, ck, r, c.variables(ctx, s))
	if len(undo) > 0 {
		say(lang.T("putting back what was tried out", "시험해 본 것을 되돌리는 중입니다"))
	}
	if err := c.undo(ctx, undo); err != nil {
		r.State, r.Actual = Unknown, lang.T("putting back what was tried out: ", "시험해 본 것을 되돌리는 중: ")+err.Error()
	}
	return r
}

// ownWords puts the texts of the triggered check itself over those of Then.
func ownWords(ctx context.Context, ck *format.Check, r Result, base expr.Scope) Result {
	r.ID = ck.ID
	if w := render(ctx, ck.Expect, base); w != "" {
		r.Expected = w
	}
	if w := render(ctx, ck.Explain, base); w != "" && r.State == Fails {
		r.Why = w
	}
	if w := render(ctx, ck.Fact, base); w != "" && r.State == Holds {
		r.Fact = w
	}
	return r
}

// victims are the objects that the act hits.
func (c *Cluster) victims(ctx context.Context, s *Scope, d *format.Delete) ([]unstructured.Unstructured, error) {
	base := c.variables(ctx, s)
	name, err := d.Name.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	selector, err := d.Selector.Fill(ctx, base, "")
	if err != nil {
		return nil, err
	}
	items, err := c.List(ctx, d.Kind, d.APIVersion, s.Namespace, selector)
	if err != nil {
		return nil, err
	}
	var hit []unstructured.Unstructured
	for _, item := range items {
		if item.GetDeletionTimestamp() == nil && (name == "" || item.GetName() == name) {
			hit = append(hit, item)
		}
	}
	if len(hit) == 0 {
		return nil, missing("%s", lang.T(
			fmt.Sprintf("there is no %s to try this on", describe(d, name, selector)),
			fmt.Sprintf("시험해 볼 %s이(가) 없습니다", describe(d, name, selector))))
	}
	sort.SliceStable(hit, func(i, j int) bool {
		return hit[i].GetCreationTimestamp().Time.Before(hit[j].GetCreationTimestamp().Time)
	})
	if d.Pick != "all" {
		hit = hit[:1]
	}
	return hit, nil
}

// describe names what an act is about: "pod web", "pod with the label app=web".
func describe(d *format.Delete, name, selector string) string {
	kind := strings.ToLower(d.Kind)
	switch {
	case name != "":
		return kind + " " + name
	case selector != "":
		return kind + " (" + selector + ")"
	}
	return kind
}

// recovers looks until the check holds or its time is over.
func (c *Cluster) recovers(ctx context.Context, s *Scope, t *format.Triggered, extra expr.Scope) Result {
	limit := t.Within
	if limit == 0 {
		limit = defaultRecovery
	}
	end := time.Now().Add(limit)
	for {
		r := c.run(ctx, s, t.Then, extra)
		if r.State == Holds || time.Now().After(end) || ctx.Err() != nil {
			if r.State == Fails {
				r.Actual += lang.T(fmt.Sprintf(" (after %s)", limit), fmt.Sprintf(" (%s 뒤)", limit))
			}
			return r
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return r
		}
	}
}

// stays waits until what was hit is gone, then sees that the check holds all
// the time.
func (c *Cluster) stays(ctx context.Context, s *Scope, t *format.Triggered, hit []unstructured.Unstructured, extra expr.Scope) Result {
	if t.Delete != nil {
		if err := c.untilGone(ctx, s, t.Delete, hit); err != nil {
			return unseen(ctx, t.Then, c.variables(ctx, s), err)
		}
	}
	end := time.Now().Add(t.Stays)
	for {
		r := c.run(ctx, s, t.Then, extra)
		if r.State != Holds || time.Now().After(end) {
			return r
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return Result{ID: t.Then.ID, State: Unknown, Actual: err.Error()}
		}
	}
}

func (c *Cluster) untilGone(ctx context.Context, s *Scope, d *format.Delete, hit []unstructured.Unstructured) error {
	uids := map[types.UID]bool{}
	for i := range hit {
		uids[hit[i].GetUID()] = true
	}
	end := time.Now().Add(goneLimit)
	for {
		items, err := c.List(ctx, d.Kind, d.APIVersion, s.Namespace, "")
		if err != nil {
			return err
		}
		left := ""
		for i := range items {
			if uids[items[i].GetUID()] {
				left = items[i].GetName()
			}
		}
		if left == "" {
			return nil
		}
		if time.Now().After(end) {
			return missing("%s", lang.T(
				fmt.Sprintf("%s is still there %s after it was deleted", left, goneLimit),
				fmt.Sprintf("%s이(가) 지운 지 %s이 지나도 남아 있습니다", left, goneLimit)))
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return err
		}
	}
}
