package fault

import (
	"context"
	"errors"
	"time"

	"noriter.dev/noriter/testbed"
)

// Verdict is how one fault came through Verify.
type Verdict struct {
	Fault  string `json:"fault"`
	Target string `json:"target"`
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
	// Inject and Recover are the seconds until the proof, and until steady again.
	Inject  float64 `json:"injectSeconds"`
	Recover float64 `json:"recoverSeconds"`
}

// Verify puts each fault in and takes it out again, and tells how it went. It
// ends at the first that can't be taken out: what follows would prove nothing.
func Verify(ctx context.Context, t *testbed.Testbed, faults []*Fault, o Options, tell func(Verdict)) error {
	release, err := t.LockFaults(ctx, o.Waiting)
	if err != nil {
		return err
	}
	defer release()
	o.keepShop = true
	shop := false
	for _, f := range faults {
		shop = shop || f.workload && o.Namespace == ""
		fo := o
		if !f.workload {
			fo.Namespace = ""
		}
		v, err := verify(ctx, t, f, fo)
		tell(v)
		if err != nil {
			return err
		}
	}
	if !shop {
		return nil
	}
	w := newWorld(t)
	defer w.close()
	return w.closeShop(ctx)
}

// verify returns an error if the testbed is not steady afterwards.
func verify(ctx context.Context, t *testbed.Testbed, f *Fault, o Options) (Verdict, error) {
	v := Verdict{Fault: f.Name}
	begin := time.Now()
	r, injectErr := inject(ctx, t, f, o)
	v.Inject, v.Target = time.Since(begin).Seconds(), TargetOf(r)
	if r.Name == "" { // it was refused, and nothing is broken
		v.Error, v.Target = injectErr.Error(), ""
		return v, injectErr
	}
	begin = time.Now()
	recoverErr := recoverOne(ctx, t, r, o)
	v.Recover = time.Since(begin).Seconds()
	if err := errors.Join(injectErr, recoverErr); err != nil {
		v.Error = err.Error()
	}
	v.OK = v.Error == ""
	return v, recoverErr
}
