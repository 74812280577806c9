package proxy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/knftables"
)

func TestOnlyTheDifferenceIsWritten(t *testing.T) {
	w, _ := fakeWriter(t)
	one := web(ep("10.244.1.2:8080"))
	two := web(ep("10.244.1.9:5000"))
	two.service, two.clusterIP = "api", one.clusterIP.Next()
	apply(t, w, stateOf(one, two))
	if n := apply(t, w, stateOf(one, two)); n != 0 {
		t.Errorf("writing the same again took %d operations", n)
	}
	// A second endpoint: the chain is made, emptied, and has one rule.
	one.endpoints = append(one.endpoints, ep("10.244.2.3:8080"))
	if n := apply(t, w, stateOf(one, two)); n != 3 {
		t.Errorf("adding an endpoint took %d operations, want 3", n)
	}
	// No endpoints: the address moves to another map, the chain is emptied.
	one.endpoints = nil
	if n := apply(t, w, stateOf(one, two)); n != 3 {
		t.Errorf("losing all endpoints took %d operations, want 3", n)
	}
}

func TestEmptiedChainsAreDeletedLater(t *testing.T) {
	w, fake := fakeWriter(t)
	now := time.Now()
	w.now = func() time.Time { return now }
	p := web(ep("10.244.1.2:8080"))
	chain := chainNamesFor(&p).cluster
	apply(t, w, stateOf(p))
	apply(t, w, stateOf())
	if !w.deleteStaleChains(context.Background()) || fake.Table.Chains[chain] == nil {
		t.Error("the chain was deleted at once, or forgotten")
	}
	now = now.Add(staleAge)
	if w.deleteStaleChains(context.Background()) || fake.Table.Chains[chain] != nil {
		t.Error("the chain was not deleted when its time came")
	}
	// A chain that comes back in time stays.
	apply(t, w, stateOf(p))
	apply(t, w, stateOf())
	apply(t, w, stateOf(p))
	now = now.Add(staleAge)
	if w.deleteStaleChains(context.Background()) || fake.Table.Chains[chain] == nil || len(fake.Table.Chains[chain].Rules) != 1 {
		t.Error("the chain that came back is damaged")
	}
}

func TestRestartTakesOverWhatIsThere(t *testing.T) {
	before, fake := fakeWriter(t)
	stays, goes := web(ep("10.244.1.2:8080", "local")), web(ep("10.244.1.3:8080"))
	stays.affinity = time.Hour
	goes.service, goes.clusterIP, goes.nodePort = "old", goes.clusterIP.Next(), 30001
	apply(t, before, stateOf(stays, goes))

	after := newWriter(fake, testRange, nil)
	now := time.Now()
	after.now = func() time.Time { return now }
	apply(t, after, stateOf(stays))
	now = now.Add(staleAge)
	after.deleteStaleChains(context.Background())
	got := fake.Dump()

	clean, pristine := fakeWriter(t)
	apply(t, clean, stateOf(stays))
	if want := pristine.Dump(); got != want {
		t.Errorf("after a restart the table is\n%s\nwant\n%s", got, want)
	}
	if different, err := after.verify(context.Background()); err != nil || different != "" {
		t.Errorf("verify finds %q, %v", different, err)
	}
}

func TestVerifyNoticesTampering(t *testing.T) {
	p := web(ep("10.244.1.2:8080"))
	p.affinity = time.Hour
	n := chainNamesFor(&p)
	for name, tamper := range map[string]func(*knftables.Transaction){
		"a flushed service chain": func(tx *knftables.Transaction) { tx.Flush(&knftables.Chain{Name: n.cluster}) },
		"a flushed base chain":    func(tx *knftables.Transaction) { tx.Flush(&knftables.Chain{Name: "nat-prerouting"}) },
		"a removed element": func(tx *knftables.Transaction) {
			tx.Delete(&knftables.Element{Map: serviceIPsMap, Key: []string{"10.96.7.7", "tcp", "80"}})
		},
		"an added element": func(tx *knftables.Transaction) {
			tx.Add(&knftables.Element{Set: clusterIPsSet, Key: []string{"10.96.0.99"}})
		},
		"a removed table": func(tx *knftables.Transaction) { tx.Delete(&knftables.Table{}) },
	} {
		w, fake := fakeWriter(t)
		apply(t, w, stateOf(p))
		want := fake.Dump()
		tx := fake.NewTransaction()
		tamper(tx)
		if err := fake.Run(context.Background(), tx); err != nil {
			t.Fatal(err)
		}
		different, err := w.verify(context.Background())
		if err != nil || different == "" {
			t.Errorf("%s was not noticed (%v)", name, err)
		}
		w.forget()
		apply(t, w, stateOf(p))
		if got := fake.Dump(); got != want {
			t.Errorf("%s was not mended; the table is\n%s", name, got)
		}
	}
}

// failing is a kernel that refuses some transactions.
type failing struct {
	*knftables.Fake
	times int
}

func (f *failing) Run(ctx context.Context, tx *knftables.Transaction) error {
	if f.times > 0 {
		f.times--
		return errors.New("operation not supported")
	}
	return f.Fake.Run(ctx, tx)
}

func TestRecoversFromARefusedTransaction(t *testing.T) {
	for _, times := range []int{1, 2, 3} {
		fake := knftables.NewFake(knftables.IPv4Family, kubeProxyTable)
		kernel := &failing{Fake: fake}
		w := newWriter(kernel, testRange, nil)
		apply(t, w, stateOf(web(ep("10.244.1.2:8080"))))
		kernel.times = times
		want := stateOf(web(ep("10.244.1.3:8080")))
		for i := range times {
			if _, err := w.apply(context.Background(), want); err == nil || !strings.Contains(err.Error(), "not supported") {
				t.Fatalf("attempt %d: got %v", i, err)
			}
		}
		apply(t, w, want)
		if different, err := w.verify(context.Background()); err != nil || different != "" {
			t.Errorf("after %d failures: %q, %v", times, different, err)
		}
		if !strings.Contains(fake.Dump(), "10.244.1.3:8080") || strings.Contains(fake.Dump(), "10.244.1.2") {
			t.Errorf("after %d failures the table is\n%s", times, fake.Dump())
		}
	}
}

func TestAffinityTimeCanChange(t *testing.T) {
	w, _ := fakeWriter(t)
	p := web(ep("10.244.1.2:8080"))
	for _, keep := range []time.Duration{time.Hour, time.Minute, 0, time.Minute} {
		p.affinity = keep
		apply(t, w, stateOf(p))
		if different, err := w.verify(context.Background()); err != nil || different != "" {
			t.Errorf("with %s: %q, %v", keep, different, err)
		}
	}
}
