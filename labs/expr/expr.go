// Package expr compiles and evaluates the expressions of labs. They are CEL,
// the language that Kubernetes itself uses for validation and admission, so
// what a lab author learns here is true elsewhere.
//
// An expression is compiled when a lab is loaded, with exactly the variables
// that its place offers: a misspelt one is an error at load time, with its
// place in the file, and not a check that never passes.
package expr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"
)

// Limits of one evaluation. A check looks at some tens of objects; what costs
// more than this is a mistake of its author.
const (
	costLimit = 500_000
	timeLimit = 2 * time.Second
)

// Common are the variables that every expression has:
//
//	vars       map of the learner's own variables
//	ns         the lab's namespace
//	now        the time of the evaluation
//	seen       what the step's `remember` noted when the step was opened
//	pods       the live pods of the lab's namespace
//	owners     who keeps each of these pods in the end, by the pod's name; see Owners
//	fresh      a number of six digits, another one at each look: a page or a name that
//	           nobody can have prepared, and that is printed nowhere
var Common = []string{"vars", "ns", "now", "seen", "pods", "owners", "fresh"}

// typed lists the variables whose type is known; the others are dynamic.
var typed = map[string]*cel.Type{
	"vars":      cel.MapType(cel.StringType, cel.StringType),
	"ns":        cel.StringType,
	"fresh":     cel.StringType,
	"now":       cel.TimestampType,
	"seen":      cel.MapType(cel.StringType, cel.DynType),
	"pods":      cel.ListType(cel.DynType),
	"owners":    cel.MapType(cel.StringType, cel.StringType),
	"items":     cel.ListType(cel.DynType),
	"pages":     cel.ListType(cel.MapType(cel.StringType, cel.DynType)),
	"answers":   cel.ListType(cel.MapType(cel.StringType, cel.DynType)),
	"addresses": cel.ListType(cel.StringType),
	"headers":   cel.MapType(cel.StringType, cel.StringType),
	"status":    cel.IntType,
	"rcode":     cel.StringType,
	"error":     cel.StringType,
	"lines":     cel.ListType(cel.StringType),
	"log":       cel.StringType,
	"body":      cel.StringType,
	"stdout":    cel.StringType,
	"stderr":    cel.StringType,
	"target":    cel.StringType,
	"files":     cel.StringType,
	"code":      cel.IntType,
}

// Program is a compiled expression. It is safe for use by several goroutines.
type Program struct {
	source string
	ast    *cel.Ast
	// prg has a limit of costs; noting goes through all parts and notes what they came to.
	prg, noting cel.Program
}

// Source is the expression as its author wrote it.
func (p *Program) Source() string { return p.source }

// Error is a mistake in an expression. Line and Column count from one, within
// the expression's own text.
type Error struct {
	Line, Column int
	Message      string
}

// Error gives the message without the place, which the caller knows better.
func (e *Error) Error() string { return e.Message }

var (
	environments   = map[string]*cel.Env{}
	environmentsMu sync.Mutex
)

// environment makes (once) the CEL environment with the given variables.
func environment(vars []string) (*cel.Env, error) {
	environmentsMu.Lock()
	defer environmentsMu.Unlock()
	key := strings.Join(vars, ",")
	if env, ok := environments[key]; ok {
		return env, nil
	}
	options := []cel.EnvOption{
		cel.OptionalTypes(), cel.EnableMacroCallTracking(), cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(), ext.Lists(), ext.Sets(), ext.Math(), ext.Encoders(),
	}
	options = append(append(options, functions()...), bounds()...)
	for _, name := range vars {
		t := typed[name]
		if t == nil {
			t = cel.DynType
		}
		options = append(options, cel.Variable(name, t))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("making the CEL environment: %w", err)
	}
	environments[key] = env
	return env, nil
}

// sourceLimit is how long an expression may be: several times the longest. Compiling takes
// much longer for a longer one.
const sourceLimit = 8 << 10

// Compile checks an expression that may use the common variables and extra
// ones. A mistake is an *Error.
func Compile(source string, extra ...string) (*Program, error) {
	if len(source) > sourceLimit {
		return nil, &Error{Line: 1, Column: 1, Message: fmt.Sprintf("the expression is longer than %d bytes", sourceLimit)}
	}
	env, err := environment(append(append([]string{}, Common...), extra...))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues != nil && issues.Err() != nil {
		all := issues.Errors()
		if len(all) == 0 {
			return nil, &Error{Line: 1, Column: 1, Message: issues.Err().Error()}
		}
		first := all[0]
		return nil, &Error{Line: max(first.Location.Line(), 1), Column: first.Location.Column() + 1,
			Message: strings.TrimSpace(first.Message)}
	}
	// CEL counts no costs while it notes what each part came to.
	prg, err := env.Program(ast, cel.CostLimit(costLimit), cel.CostTracking(costs{}), cel.InterruptCheckFrequency(200), watched())
	if err != nil {
		return nil, &Error{Line: 1, Column: 1, Message: err.Error()}
	}
	noting, err := env.Program(ast, cel.EvalOptions(cel.OptExhaustiveEval), cel.InterruptCheckFrequency(200), watched())
	if err != nil {
		return nil, &Error{Line: 1, Column: 1, Message: err.Error()}
	}
	return &Program{source: source, ast: ast, prg: prg, noting: noting}, nil
}

// CompileBool is Compile for a condition: what can only be something other
// than true or false is a mistake.
func CompileBool(source string, extra ...string) (*Program, error) {
	p, err := Compile(source, extra...)
	if err != nil {
		return nil, err
	}
	if t := p.ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, &Error{Line: 1, Column: 1, Message: fmt.Sprintf("this gives %s, but a condition must be true or false", t)}
	}
	return p, nil
}

// Scope holds the variables of one evaluation. A value may be a func() any,
// which is called only if the expression uses it.
type Scope map[string]any

// With gives the scope with one more variable; the receiver stays as it is.
func (s Scope) With(name string, value any) Scope {
	out := make(Scope, len(s)+1)
	for k, v := range s {
		out[k] = v
	}
	out[name] = value
	return out
}

// eval runs the program with its limits; once more for what its parts came to, if that is
// wanted.
func (p *Program) eval(ctx context.Context, s Scope, parts bool) (ref.Val, *cel.EvalDetails, error) {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	input := make(map[string]any, len(s)+1)
	input["now"] = time.Now()
	for name, value := range s {
		if get, ok := value.(func() any); ok { // asked for once, though there are two runs
			value = sync.OnceValue(get)
		}
		input[name] = value
	}
	v, details, err := p.prg.ContextEval(ctx, input)
	var over interpreter.EvalCancelledError
	if !parts || errors.As(err, &over) || ctx.Err() != nil {
		return v, details, err
	}
	return p.noting.ContextEval(ctx, input)
}

// Value evaluates the expression and gives a plain Go value: string, int64,
// float64, bool, nil, []any or map[string]any.
func (p *Program) Value(ctx context.Context, s Scope) (any, error) {
	v, _, err := p.eval(ctx, s, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.source, err)
	}
	if large(v) {
		return nil, fmt.Errorf("%s: gives a value larger than %d", p.source, valueLimit)
	}
	return native(v), nil
}

// Verdict is what a condition gave, and why.
type Verdict struct {
	True bool
	// Missing says that the condition could not be decided because a field
	// is not there, which in a live object mostly means "not yet".
	Missing string
	// Reasons are the parts that made it false (or true), simplest first.
	Reasons []Reason
}

// Test evaluates a condition. An error is returned only for what no change of
// the cluster can mend: a value of the wrong type, the cost limit.
func (p *Program) Test(ctx context.Context, s Scope) (Verdict, error) {
	v, details, err := p.eval(ctx, s, true)
	if ctx.Err() != nil {
		return Verdict{}, ctx.Err()
	}
	if err != nil {
		if field, ok := missingField(err); ok {
			return Verdict{Missing: field, Reasons: p.reasons(details, false)}, nil
		}
		return Verdict{}, fmt.Errorf("evaluating %q: %w", p.source, err)
	}
	b, ok := v.(types.Bool)
	if !ok {
		return Verdict{}, fmt.Errorf("evaluating %q: gave %s, not true or false", p.source, Show(v))
	}
	return Verdict{True: bool(b), Reasons: p.reasons(details, bool(b))}, nil
}

// missingField recognizes CEL's errors for a field that is not there.
func missingField(err error) (string, bool) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if _, field, ok := strings.Cut(e.Error(), "no such key: "); ok {
			return strings.TrimSpace(field), true
		}
	}
	if strings.Contains(err.Error(), "no such overload") || strings.Contains(err.Error(), "index out of bounds") {
		return "", true // a null object, or an empty list: not there (yet)
	}
	return "", false
}
