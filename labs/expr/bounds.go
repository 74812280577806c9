package expr

import (
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
	"github.com/google/cel-go/interpreter"
)

// valueLimit is how large a value may become, in bytes of text and elements of lists
// together: as much as the largest log or page that a check reads.
const valueLimit = 2 << 20

// tooLarge is what becomes of a value that would be larger.
func tooLarge() ref.Val {
	return types.NewErr("this would become larger than %d, the most that a value may have", valueLimit)
}

// size is how large a value is, with all that is in it: no more than just above the limit,
// since parts of it may be the same in many places.
func size(v ref.Val, limit int) int {
	switch t := v.(type) {
	case types.String:
		return len(t)
	case types.Bytes:
		return len(t)
	case *types.Optional:
		if t.HasValue() {
			return 1 + size(t.GetValue(), limit-1)
		}
	case traits.Mapper:
		sum := 0
		for it := t.Iterator(); sum <= limit && it.HasNext() == types.True; {
			key := it.Next()
			sum += 1 + size(key, limit-sum)
			sum += size(t.Get(key), limit-sum)
		}
		return sum
	case traits.Lister:
		sum := 0
		for it := t.Iterator(); sum <= limit && it.HasNext() == types.True; {
			sum += 1 + size(it.Next(), limit-sum)
		}
		return sum
	}
	return 1
}

func large(v ref.Val) bool { return size(v, valueLimit) > valueLimit }

// bounds are the functions of CEL's libraries that make much out of little, with a look at
// how much before they do. Their cost is only counted once they have done it.
func bounds() []cel.EnvOption {
	text, list, number := cel.StringType, cel.ListType(cel.StringType), cel.IntType
	return []cel.EnvOption{
		cel.Function("replace",
			cel.MemberOverload("string_replace_string_string", []*cel.Type{text, text, text}, text, cel.FunctionBinding(replace)),
			cel.MemberOverload("string_replace_string_string_int", []*cel.Type{text, text, text, number}, text, cel.FunctionBinding(replace))),
		cel.Function("join",
			cel.MemberOverload("list_join", []*cel.Type{list}, text, cel.UnaryBinding(func(l ref.Val) ref.Val { return join(l, types.String("")) })),
			cel.MemberOverload("list_join_string", []*cel.Type{list, text}, text, cel.BinaryBinding(join))),
		cel.Function("format", cel.MemberOverload("string_format", []*cel.Type{text, cel.ListType(cel.DynType)}, text,
			cel.BinaryBinding(func(format, args ref.Val) ref.Val { return bounded("a.format(b)", format, args) }))),
		cel.Function("lists.range", cel.Overload("lists_range", []*cel.Type{number}, cel.ListType(number),
			cel.UnaryBinding(func(n ref.Val) ref.Val {
				if count, ok := n.(types.Int); !ok || count > valueLimit {
					return tooLarge()
				}
				return bounded("lists.range(a)", n, types.NullValue)
			}))),
		cel.Function("flatten",
			cel.MemberOverload("list_flatten", []*cel.Type{cel.ListType(cel.ListType(cel.TypeParamType("T")))}, cel.ListType(cel.TypeParamType("T")),
				cel.UnaryBinding(func(l ref.Val) ref.Val { return bounded("a.flatten()", l, types.NullValue) })),
			cel.MemberOverload("list_flatten_int", []*cel.Type{cel.ListType(cel.DynType), number}, cel.ListType(cel.DynType),
				cel.BinaryBinding(func(l, n ref.Val) ref.Val { return bounded("a.flatten(b)", l, n) }))),
	}
}

// watched has every sum looked at: twice as much is soon too much, and lists that are put
// together are not copied, so that nothing but a look at their size tells.
func watched() cel.ProgramOption {
	return cel.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		if call, ok := i.(interpreter.InterpretableCall); ok && call.Function() == operators.Add {
			return sum{call}, nil
		}
		return i, nil
	})
}

// sum is a call of + that is looked at.
type sum struct{ interpreter.InterpretableCall }

// Exec adds, and looks at what came of it.
func (s sum) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := s.InterpretableCall.Exec(frame)
	if sized, ok := v.(traits.Sizer); ok {
		if n, ok := sized.Size().(types.Int); ok && n > valueLimit {
			return tooLarge()
		}
	}
	return v
}

// Eval is Exec for whoever does not know of frames.
func (s sum) Eval(vars interpreter.Activation) ref.Val { return s.Exec(interpreter.AsFrame(vars)) }

func replace(args ...ref.Val) ref.Val {
	s, ok1 := args[0].(types.String)
	from, ok2 := args[1].(types.String)
	to, ok3 := args[2].(types.String)
	n := -1
	if len(args) == 4 {
		count, ok := args[3].(types.Int)
		ok1, n = ok1 && ok, int(count)
	}
	if !ok1 || !ok2 || !ok3 {
		return types.NoSuchOverloadErr()
	}
	found := strings.Count(string(s), string(from))
	if n >= 0 {
		found = min(found, n)
	}
	if len(s)+found*len(to) > valueLimit {
		return tooLarge()
	}
	return types.String(strings.Replace(string(s), string(from), string(to), n))
}

func join(l, separator ref.Val) ref.Val {
	items, ok := l.(traits.Lister)
	between, isText := separator.(types.String)
	if !ok || !isText {
		return types.NoSuchOverloadErr()
	}
	var b strings.Builder
	for it, first := items.Iterator(), true; it.HasNext() == types.True; first = false {
		item, ok := it.Next().(types.String)
		if !ok {
			return types.NoSuchOverloadErr()
		}
		if b.Len()+len(between)+len(item) > valueLimit {
			return tooLarge()
		}
		if !first {
			b.WriteString(string(between))
		}
		b.WriteString(string(item))
	}
	return types.String(b.String())
}

// bounded calls a function of the libraries, unless what it is given is too large.
func bounded(call string, a, b ref.Val) ref.Val {
	if large(a) || large(b) {
		return tooLarge()
	}
	prg, err := library(call)
	if err != nil {
		return types.WrapErr(err)
	}
	out, _, err := prg.Eval(map[string]any{"a": a, "b": b})
	if err != nil {
		return types.WrapErr(err)
	}
	return out
}

var libraries sync.Map // by call, the programs of library

// library is a program with one call of a function as the libraries have it.
func library(call string) (cel.Program, error) {
	if prg, ok := libraries.Load(call); ok {
		return prg.(cel.Program), nil
	}
	env, err := cel.NewEnv(ext.Strings(), ext.Lists(), cel.Variable("a", cel.DynType), cel.Variable("b", cel.DynType))
	if err != nil {
		return nil, fmt.Errorf("making the CEL environment: %w", err)
	}
	ast, issues := env.Compile(call)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("making the CEL environment: %w", err)
	}
	prg, err := env.Program(ast)
	if err != nil {
		return nil, fmt.Errorf("making the CEL environment: %w", err)
	}
	libraries.Store(call, prg)
	return prg, nil
}

// costs counts what CEL takes for nothing: lists that are put together are not copied, but
// whoever looks at the sum looks at all of it. The smaller part counts, so that a list which
// grows one by one costs as much as it has elements.
type costs struct{}

// CallCost gives the cost of a call, or nil where CEL's own is right.
func (costs) CallCost(_, overload string, args []ref.Val, _ ref.Val) *uint64 {
	if overload != overloads.AddList || len(args) != 2 {
		return nil
	}
	cost := uint64(1)
	a, okA := args[0].(traits.Sizer)
	b, okB := args[1].(traits.Sizer)
	if okA && okB {
		sizeA, _ := a.Size().(types.Int) // a size is a number
		sizeB, _ := b.Size().(types.Int)
		cost += uint64(min(sizeA, sizeB))
	}
	return &cost
}
