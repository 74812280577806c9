package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"noriter.dev/noriter/internal/turn"
)

// labsARun is how many labs are proven in each run; the others take turns.
const labsARun = 2

// derivedARun is how many derived ways of such a lab are gone; `make prove` goes all.
const derivedARun = 5

// TestLabs proves labs on container machines: every way of each.
func TestLabs(t *testing.T) {
	b := newBed(t, "labs", "--driver", "nspawn")
	b.up()
	b.ready(time.Minute)
	var all []struct{ ID string }
	if err := json.Unmarshal([]byte(b.nori("lab", "list", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, l := range all {
		ids = append(ids, l.ID)
	}
	prove := []string{"--plain", "lab", "prove", "--sample", fmt.Sprint(derivedARun), "--draw", fmt.Sprint(turn.Draw("derived ways"))}
	out, err := b.try(60*time.Minute, append(prove, turn.Mine("proofs of labs", ids, labsARun)...)...)
	t.Log(out)
	if err != nil {
		// The count and what follows it: the broken ways once more.
		_, at, _ := strings.Cut(out, " broken, ")
		t.Errorf("nori lab prove: %v\nin %s", err, at)
	}
}
