package lang

import "fmt"

// Errorf makes an error that says itself in the language that is current when
// it is printed. It takes %w as fmt.Errorf does; Korean puts the arguments into
// an order of its own with %[2]s.
func Errorf(en, ko string, args ...any) error {
	return &failure{cause: fmt.Errorf(en, in(English, args)...), ko: ko, args: args, en: en}
}

// failure is an error in both languages.
type failure struct {
	// cause is the English error: errors.Is and errors.As go through it to what
	// it wraps.
	cause  error
	en, ko string
	args   []any
}

// Error is formatted anew each time, so that the errors that it wraps are in
// the same language.
func (f *failure) Error() string {
	if Current() == Korean {
		return Particles(fmt.Errorf(f.ko, in(Korean, f.args)...).Error())
	}
	return fmt.Errorf(f.en, in(English, f.args)...).Error()
}

// Unwrap gives the English error, and so all that it wraps.
func (f *failure) Unwrap() error { return f.cause }
