package volumes

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// mountError says why one volume is not ready. Its text is that of the FailedMount
// event of Kubernetes.
type mountError struct {
	// Volume is the name in spec.volumes, or of the PersistentVolume where one
	// was found.
	Volume string
	// Step is what failed; empty means "MountVolume.SetUp failed".
	Step string
	Err  error

	// unprocessed says that the volume behind the claim isn't even known.
	unprocessed bool
}

// Error gives the text of the event.
func (e *mountError) Error() string {
	if e.unprocessed {
		return fmt.Sprintf("Unable to attach or mount volumes: unmounted volumes=[%s], unattached volumes=[], failed to process volumes=[%s]: %v", e.Volume, e.Volume, e.Err)
	}
	step := e.Step
	if step == "" {
		step = "MountVolume.SetUp failed"
	}
	return fmt.Sprintf("%s for volume %q : %v", step, e.Volume, e.Err)
}

// Unwrap gives the cause.
func (e *mountError) Unwrap() error { return e.Err }

// mountFailures is what SetUp returns where volumes failed: one error per volume, so that
// each can have an event of its own.
type mountFailures []*mountError

func (f mountFailures) Error() string {
	texts := make([]string, len(f))
	for i, e := range f {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives each of them.
func (f mountFailures) Unwrap() []error {
	errs := make([]error, len(f))
	for i, e := range f {
		errs[i] = e
	}
	return errs
}

func (f mountFailures) asError() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

func asMountError(volume string, err error) *mountError {
	var me *mountError
	if errors.As(err, &me) {
		return me
	}
	return &mountError{Volume: volume, Err: err}
}

// sourceName is the name of the source that is set, as it is spelled in a manifest.
func sourceName(src *v1.VolumeSource) string {
	v := reflect.ValueOf(*src)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			return name
		}
	}
	return "sourceless"
}
