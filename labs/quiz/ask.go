package quiz

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/labs/expr"
)

// The most options that are offered.
const (
	choiceOptions = 4
	multiOptions  = 8
)

// Asked is a question as it is in this cluster at this moment, in the current
// language.
type Asked struct {
	Question *Question
	// Text is the question itself, Explain what is said after the answer, See
	// the command that shows it.
	Text, Explain, See string
	// Options are what a choice or a multi offers, in the attempt's own order.
	Options []string
	// Right are the right answers: all of them for a multi, any of them else.
	Right []string
	// Wrong are the wrong answers that are known.
	Wrong []string
	// why explains the wrong answers.
	why map[string]string
}

// Wording is a question as it was asked in the attempt with this seed. One that
// named something of the cluster of that day, or that is not in the quiz any
// more, goes by its id.
func (z *Quiz) Wording(id string, seed uint64) string {
	q := z.Question(id)
	if q == nil {
		return id
	}
	past := Session{Quiz: z, Seed: seed}
	text, err := q.Ask.Pick().Render(context.Background(), expr.Scope{"vars": past.vars(), "ns": z.Namespace()})
	if err != nil {
		return id
	}
	return text
}

// NotNowError says why a question can't be asked of this cluster now.
type NotNowError struct{ Reason string }

func (e *NotNowError) Error() string { return e.Reason }

func notNow(en, ko string) error { return &NotNowError{lang.T(en, ko)} }

// compute works a question out.
func (s *Session) compute(ctx context.Context, q *Question) (*Asked, error) {
	scope, failed := s.scope(ctx)
	a, err := s.computeIn(ctx, q, scope)
	if *failed != nil { // the cause of whatever went wrong then
		return nil, *failed
	}
	return a, err
}

func (s *Session) computeIn(ctx context.Context, q *Question, scope expr.Scope) (*Asked, error) {
	if q.If != nil {
		verdict, err := q.If.Test(ctx, scope)
		if err != nil {
			return nil, err
		}
		if !verdict.True {
			return nil, notNow("this testbed has not what the question is about", "이 테스트베드에는 이 질문이 다루는 것이 없습니다")
		}
	}
	a := &Asked{Question: q, why: map[string]string{}}
	for _, v := range q.Right {
		values, err := s.valuesOf(ctx, q, &v, scope)
		if err != nil {
			return nil, err
		}
		a.Right = append(a.Right, values...)
	}
	for i := range q.Wrong {
		if err := s.addWrong(ctx, a, &q.Wrong[i], scope); err != nil {
			return nil, err
		}
	}
	if err := a.choose(s.rand(q.ID)); err != nil {
		return nil, err
	}
	return a, s.texts(ctx, a, scope)
}

// addWrong works out wrong answers, and why they are wrong.
func (s *Session) addWrong(ctx context.Context, a *Asked, v *Value, scope expr.Scope) error {
	values, err := s.valuesOf(ctx, a.Question, v, scope)
	if err != nil {
		return err
	}
	for _, value := range values {
		if a.holds(a.Right, value) || a.holds(a.Wrong, value) {
			continue
		}
		if a.why[value], err = v.Why.Pick().Render(ctx, scope.With("item", value)); err != nil {
			return fmt.Errorf("question %s: %w", a.Question.ID, err)
		}
		a.Wrong = append(a.Wrong, value)
	}
	return nil
}

// texts fills in what is said.
func (s *Session) texts(ctx context.Context, a *Asked, scope expr.Scope) (err error) {
	q := a.Question
	if a.Text, err = q.Ask.Pick().Render(ctx, scope); err != nil {
		return fmt.Errorf("question %s: %w", q.ID, err)
	}
	if a.Explain, err = q.Explain.Pick().Render(ctx, scope); err != nil {
		return fmt.Errorf("question %s: %w", q.ID, err)
	}
	a.See, err = s.render(ctx, q.See, scope)
	return err
}

// render fills in a text that is the same in both languages.
func (s *Session) render(ctx context.Context, source string, scope expr.Scope) (string, error) {
	t, err := expr.CompileTemplate(source, s.Quiz.variables()...)
	if err != nil {
		return "", fmt.Errorf("in %q: %w", source, err)
	}
	return t.Render(ctx, scope)
}

// valuesOf are the answers that one entry stands for.
func (s *Session) valuesOf(ctx context.Context, q *Question, v *Value, scope expr.Scope) ([]string, error) {
	if v.Expr != nil {
		value, err := v.Expr.Value(ctx, scope)
		if err != nil {
			return nil, notNow(fmt.Sprintf("the cluster has no answer to it now (%v)", err),
				fmt.Sprintf("지금 클러스터에서 답을 구할 수 없습니다 (%v)", err))
		}
		return words(value), nil
	}
	templates := []*expr.Template{v.Text.Pick()}
	if q.Kind == Text { // what is typed may be in either language
		templates = []*expr.Template{v.Text.EN, v.Text.KO}
	}
	var out []string
	for _, t := range templates {
		text, err := t.Render(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("question %s: %w", q.ID, err)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out, nil
}

// words flattens a value of an expression; what is not there is left out.
func words(v any) []string {
	switch t := v.(type) {
	case nil:
		return nil
	case string:
		if t == "" {
			return nil
		}
		return []string{t}
	case int64:
		return []string{strconv.FormatInt(t, 10)}
	case float64:
		return []string{strconv.FormatFloat(t, 'f', -1, 64)}
	case []any:
		var out []string
		for _, x := range t {
			out = append(out, words(x)...)
		}
		return out
	}
	return []string{expr.ShowValue(v)}
}

// choose makes the options of a choice or a multi, and sees that the question
// can be answered.
func (a *Asked) choose(r *rand.Rand) error {
	a.Right = unique(a.Right)
	if len(a.Right) == 0 {
		return notNow("the cluster has no answer to it now", "지금 클러스터에서 답을 구할 수 없습니다")
	}
	most := multiOptions
	switch a.Question.Kind {
	case Number, Text:
		return nil
	case Choice:
		most = choiceOptions
		if len(a.Right) > 1 {
			return notNow("several answers would be right now", "지금은 답이 여러 개입니다")
		}
	}
	if len(a.Wrong) == 0 {
		return notNow("there is nothing to choose from now", "지금은 고를 것이 없습니다")
	}
	r.Shuffle(len(a.Wrong), func(i, j int) { a.Wrong[i], a.Wrong[j] = a.Wrong[j], a.Wrong[i] })
	if room := max(most-len(a.Right), 1); len(a.Wrong) > room {
		a.Wrong = a.Wrong[:room]
	}
	a.Options = append(append([]string{}, a.Right...), a.Wrong...)
	r.Shuffle(len(a.Options), func(i, j int) { a.Options[i], a.Options[j] = a.Options[j], a.Options[i] })
	return nil
}

// unique drops what comes again.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// rand is the chance of one question: the same for the same seed.
func (s *Session) rand(question string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(question)) // a hash takes everything
	return rand.New(rand.NewPCG(s.Seed, h.Sum64()))
}

// scope is what expressions see. The lists are read once, when they are first
// used; what keeps one from being read is left behind failed.
func (s *Session) scope(ctx context.Context) (scope expr.Scope, failed *error) {
	failed = new(error)
	list := func(o Objects) func() any {
		var got any
		return func() any {
			if got == nil {
				got = s.list(ctx, o, failed)
			}
			return got
		}
	}
	scope = expr.Scope{"vars": s.vars(), "ns": s.Namespace, "seen": map[string]any{},
		"pods": list(Objects{Kind: "Pod", APIVersion: "v1"}),
		"owners": func() any {
			return expr.Owners(s.list(ctx, Objects{Kind: "Pod", APIVersion: "v1"}, failed),
				s.list(ctx, Objects{Kind: "ReplicaSet", APIVersion: "apps/v1"}, failed))
		}}
	for name, o := range s.Quiz.Objects {
		scope[name] = list(o)
	}
	return scope, failed
}

func (s *Session) list(ctx context.Context, o Objects, failed *error) []any {
	namespace := o.Namespace
	switch namespace {
	case "":
		namespace = s.Namespace
	case "*":
		namespace = ""
	}
	items, err := s.Cluster.List(ctx, o.Kind, o.APIVersion, namespace, "")
	if err != nil {
		*failed = errors.Join(*failed, err)
	}
	out := make([]any, len(items))
	for i := range items {
		out[i] = items[i].Object
	}
	return out
}

// holds tells whether a list has an answer, as answers are compared.
func (a *Asked) holds(list []string, answer string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return a.same(s, answer) })
}

// same compares two answers. What is typed is compared as tolerantly as spelling can tell
// nothing of what was understood; a number by its value.
func (a *Asked) same(x, y string) bool {
	switch a.Question.Kind {
	case Number:
		n, okX := number(x)
		m, okY := number(y)
		return okX && okY && n == m
	case Text:
		return plainWord(x) == plainWord(y)
	}
	return x == y
}

// counted is a number and what is counted: "8", "8 pods", "8개".
var counted = regexp.MustCompile(`^([+-]?[0-9]+)\s*\pL*$`)

// number reads a number as people write it.
func number(s string) (int, bool) {
	m := counted.FindStringSubmatch(clean(s))
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
}

// plainWord is a word without what people may add to it or leave out: capitals, quotes,
// spaces and dashes within ("on delete"), the kind before a name ("secret/tls"), the colon
// before a tag (":v2"), and YAML's way to write a label ("site: north").
func plainWord(s string) string {
	s = strings.TrimPrefix(strings.ToLower(clean(s)), ":")
	if key, value, ok := strings.Cut(s, ": "); ok && !strings.Contains(key, " ") {
		s = key + "=" + strings.TrimSpace(value)
	}
	if kind, name, ok := strings.Cut(s, "/"); ok && slices.Contains(kindWords, kind) {
		s = name
	}
	return strings.NewReplacer(" ", "", "-", "", "_", "").Replace(s)
}

// kindWords are what kubectl calls objects before their names.
var kindWords = []string{
	"pod", "pods", "po", "service", "services", "svc", "secret", "secrets", "configmap", "cm", "node", "nodes", "no", "ingress", "ing",
	"deployment", "deployments", "deploy", "deployment.apps", "replicaset", "replicasets", "rs", "replicaset.apps",
	"daemonset", "daemonsets", "ds", "daemonset.apps", "namespace", "ns",
}

func clean(s string) string { return strings.Trim(strings.TrimSpace(s), "`'\"“”‘’") }
