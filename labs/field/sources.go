package field

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"noriter.dev/noriter/internal/problem"
)

// Sources visits the source of every expression and template in a value, such
// as a step: in all exported fields, at any depth.
func Sources(in any, visit func(at problem.Pos, source string)) {
	walk(reflect.ValueOf(in), visit)
}

func walk(v reflect.Value, visit func(at problem.Pos, source string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && !written(v.Interface(), visit) {
			walk(v.Elem(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), visit)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			walk(v.MapIndex(key), visit)
		}
	}
}

// written visits a value of this package, and tells whether it was one.
func written(value any, visit func(at problem.Pos, source string)) bool {
	switch t := value.(type) {
	case *Expr:
		visit(t.At, t.source)
	case *Name:
		visit(t.At, t.Source())
	case *Number:
		visit(t.At, t.template.Source())
		visit(t.At, t.expr.Source())
	case *Words:
		visit(t.At, t.Text.EN)
		visit(t.At, t.Text.KO)
	default:
		return false
	}
	return true
}

var (
	usesVar  = regexp.MustCompile(`\bvars\.([a-zA-Z0-9]+)`)
	usesSeen = regexp.MustCompile(`\bseen\.([a-zA-Z0-9]+)`)
)

// UsedVars are the names behind `vars.` in the source of an expression or a
// template. CEL can't hold them against what is declared, because a map takes
// any key.
func UsedVars(source string) []string { return used(usesVar, source) }

// UsedSeen is UsedVars for `seen.`.
func UsedSeen(source string) []string { return used(usesSeen, source) }

func used(uses *regexp.Regexp, source string) []string {
	var out []string
	for _, m := range uses.FindAllStringSubmatch(source, -1) {
		out = append(out, m[1])
	}
	return out
}
