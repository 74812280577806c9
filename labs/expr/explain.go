package expr

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"github.com/google/cel-go/parser"
)

// Reason is one part of a condition with the values it had.
type Reason struct {
	// Source is the part itself: `size(items) == 3`.
	Source string
	// Left is the side that was looked at and Actual its value:
	// `size(items)` and `2`. Left is empty where the part is no comparison.
	Left, Actual string
	// Wanted is what the other side came to, with the operator unless it is
	// equality: `3`, `>= 3`.
	Wanted string
}

// reasons walks a condition down to the parts that decided it.
func (p *Program) reasons(details *cel.EvalDetails, verdict bool) []Reason {
	if details == nil || details.State() == nil {
		return nil
	}
	rep := p.ast.NativeRep()
	w := walker{info: rep.SourceInfo(), state: details.State()}
	w.visit(rep.Expr(), verdict)
	return w.found
}

type walker struct {
	info  *ast.SourceInfo
	state interpreter.EvalState
	found []Reason
}

// visit goes down to what made e come out as verdict: for a false `a && b`
// only the false arms matter, for a true one both do.
func (w *walker) visit(e ast.Expr, verdict bool) {
	if e.Kind() != ast.CallKind {
		w.leaf(e)
		return
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr:
		for _, arg := range call.Args() {
			v, seen := w.state.Value(arg.ID())
			if b, isBool := v.(types.Bool); !seen || !isBool || bool(b) == verdict {
				w.visit(arg, verdict)
			}
		}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals,
		operators.Greater, operators.GreaterEquals, operators.In:
		w.comparison(e, call)
	default:
		w.leaf(e)
	}
}

var symbols = map[string]string{
	operators.Equals: "", operators.NotEquals: "!= ", operators.Less: "< ", operators.LessEquals: "<= ",
	operators.Greater: "> ", operators.GreaterEquals: ">= ", operators.In: "in ",
}

func (w *walker) comparison(e ast.Expr, call ast.CallExpr) {
	left, right := call.Args()[0], call.Args()[1]
	if left.Kind() == ast.LiteralKind { // `3 == size(items)`
		left, right = right, left
	}
	w.found = append(w.found, Reason{
		Source: w.text(e),
		Left:   w.text(left), Actual: w.value(left),
		Wanted: symbols[call.FunctionName()] + w.value(right),
	})
}

func (w *walker) leaf(e ast.Expr) {
	w.found = append(w.found, Reason{Source: w.text(e), Actual: w.value(e)})
}

func (w *walker) text(e ast.Expr) string {
	s, err := parser.Unparse(e, w.info)
	if err != nil {
		return "…"
	}
	return s
}

func (w *walker) value(e ast.Expr) string {
	if e.Kind() == ast.LiteralKind {
		return Show(e.AsLiteral())
	}
	v, ok := w.state.Value(e.ID())
	if !ok {
		return "not set"
	}
	return Show(v)
}

// showLimit is the longest value, in characters, that a message carries.
const showLimit = 120

// Show writes a CEL value for people: short, strings in quotes, what is not
// there as "not set".
func Show(v ref.Val) string {
	if v == nil || types.IsError(v) || v == types.NullValue {
		return "not set"
	}
	if size(v, showable) > showable {
		return "…"
	}
	return ShowValue(native(v))
}

// showable is the largest value that is looked at to show a part of it.
const showable = 1 << 17

// ShowValue is Show for plain Go values.
func ShowValue(v any) string {
	s := show(v)
	if r := []rune(s); len(r) > showLimit {
		s = string(r[:showLimit-1]) + "…"
	}
	return s
}

func show(v any) string {
	switch t := v.(type) {
	case nil:
		return "not set"
	case string:
		return strconv.Quote(t)
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64) // 1073741824, not 1.073741824e+09
	case time.Time:
		return t.UTC().Format(time.RFC3339)
	case []any:
		parts := make([]string, 0, len(t))
		for _, x := range t {
			parts = append(parts, show(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		if name, ok := objectName(t); ok {
			return name
		}
		parts := make([]string, 0, len(t))
		for k, x := range t {
			parts = append(parts, k+": "+show(x))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// objectName recognizes a Kubernetes object, which is shown by its name.
func objectName(m map[string]any) (string, bool) {
	kind, _ := m["kind"].(string)
	meta, _ := m["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if name == "" {
		return "", false
	}
	if kind == "" {
		return name, true
	}
	return strings.ToLower(kind) + "/" + name, true
}
