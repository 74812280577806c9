package manifest

import (
	"strings"
	"testing"
)

func TestDecodeKeepsTheOrder(t *testing.T) {
	objects, err := Decode([]byte("# one\nkind: Namespace\nmetadata: {name: a}\n---\nkind: Service\nmetadata: {name: b}\n"))
	if err != nil || len(objects) != 2 || objects[0].GetName() != "a" || objects[1].GetKind() != "Service" {
		t.Errorf("got %v, %v", objects, err)
	}
}

func TestDecodeRefusesWhatApplyCannotPlace(t *testing.T) {
	if _, err := Decode([]byte("kind: Gadget\n")); err == nil || !strings.Contains(err.Error(), "Gadget") {
		t.Errorf("got %v", err)
	}
}
