package nspawn

import (
	"errors"

	"noriter.dev/noriter/internal/lang"
)

// damagedError is a record that a crash of the host or a person has damaged. Other
// machines and snapshots must not suffer from it: whoever goes through all of them
// passes over it.
type damagedError struct{ error }

// Unwrap gives the error with its cause.
func (e *damagedError) Unwrap() error { return e.error }

func isDamaged(err error) bool {
	var d *damagedError
	return errors.As(err, &d)
}

// damaged is the error for a machine's record that can't be used. A snapshot has a copy.
func (m *node) damaged(err error) error {
	return &damagedError{lang.Errorf(
		"the record of machine %s is damaged (%s: %w); `nori reset --name %s` puts the machines back to a snapshot, or `nori down --name %[4]s` and `nori up --name %[4]s` make the testbed anew",
		"머신 %s의 기록이 손상되었습니다(%s: %w). `nori reset --name %s`로 머신을 스냅샷으로 되돌리거나, `nori down --name %[4]s`, `nori up --name %[4]s`로 테스트베드를 새로 만드세요",
		m.name, m.recordFile(), err, m.p.tb.Name)}
}
