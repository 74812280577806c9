package templatehash

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// The hash is part of names that people write down; it must be upstream's.
func TestOf(t *testing.T) {
	template := v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "nginx"}}, TerminationGracePeriodSeconds: ptr.To[int64](30)}}
	if got := Of(&template, nil); got != "5bcd64fd5f" {
		t.Errorf("hash %s, want that of upstream's ComputeHash", got)
	}
	if got := Of(&template, ptr.To[int32](1)); got != "74cf4885db" {
		t.Errorf("hash %s after a collision, want that of upstream's ComputeHash", got)
	}
}
