package problem

import "testing"

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		p    Problem
		want string
	}{
		{Problem{Message: "m"}, "m"},
		{Line("f", 0, "m"), "f: m"},
		{Line("f", 3, "m %d", 1), "f:3: m 1"},
		{At(Pos{"f", 3, 4}, "m"), "f:3:4: m"},
	} {
		if got := c.p.String(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.p, got, c.want)
		}
	}
}

func TestListIsAnErrorInOrder(t *testing.T) {
	if err := (List{}).Err(); err != nil {
		t.Errorf("an empty list is the error %v", err)
	}
	l := List{Line("b", 1, "third"), Line("a", 9, "second"), Line("a", 2, "first")}
	if got, want := l.Err().Error(), "a:2: first\na:9: second\nb:1: third"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
