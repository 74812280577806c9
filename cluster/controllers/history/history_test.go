package history

import (
	"errors"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/component/fakeapi"
	"noriter.dev/noriter/cluster/controllers/podset"
)

var owner = &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "agent", UID: "uid-agent"}}

func setup(t *testing.T, objects ...runtime.Object) (*fakeapi.API, History[*appsv1.DaemonSet]) {
	t.Helper()
	api := fakeapi.New(t, objects...)
	return api, New(api.Client, api.Factory, podset.Owners[*appsv1.DaemonSet]{Kind: appsv1.SchemeGroupVersion.WithKind("DaemonSet")})
}

func TestARevisionIsMadeOnce(t *testing.T) {
	_, h := setup(t)
	patch := func(image string) []byte {
		p, err := TemplatePatch(&v1.PodTemplateSpec{Spec: v1.PodSpec{Containers: []v1.Container{{Image: image}}}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, err := h.Create(t.Context(), owner, "abc", nil, patch("v1"), 1)
	if err != nil || first.Name != "agent-abc" || !metav1.IsControlledBy(first, owner) {
		t.Fatalf("made %+v (%v)", first, err)
	}
	again, err := h.Create(t.Context(), owner, "abc", nil, patch("v1"), 1)
	if err != nil || again.UID != first.UID {
		t.Errorf("the same template has got %+v (%v)", again, err)
	}
	if _, err := h.Create(t.Context(), owner, "abc", nil, patch("v2"), 2); !errors.Is(err, ErrCollision) {
		t.Errorf("another template of the same hash: %v, want a collision", err)
	}
	stranger := owner.DeepCopy()
	stranger.UID = "another"
	if _, err := h.Create(t.Context(), stranger, "abc", nil, patch("v1"), 1); !errors.Is(err, ErrCollision) {
		t.Errorf("the revision of another owner: %v, want a collision", err)
	}
}

func TestOldRevisionsAreDeletedUnlessInUse(t *testing.T) {
	for name, c := range map[string]struct {
		limit *int32
		want  []string
	}{
		"no limit": {nil, []string{"r1", "r2", "r3", "r4"}},
		"two":      {ptr.To[int32](2), []string{"r1", "r4"}}, // r1 is in use, and counts
		"none":     {ptr.To[int32](0), []string{"r1"}},
		"plenty":   {ptr.To[int32](9), []string{"r1", "r2", "r3", "r4"}},
	} {
		t.Run(name, func(t *testing.T) {
			var objects []runtime.Object
			var revisions []*appsv1.ControllerRevision
			for i, name := range []string{"r3", "r1", "r4", "r2"} {
				r := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Revision: []int64{3, 1, 4, 2}[i]}
				objects, revisions = append(objects, r), append(revisions, r)
			}
			api, h := setup(t, objects...)
			inUse := func(r *appsv1.ControllerRevision) bool { return r.Name == "r1" }
			if err := h.Truncate(t.Context(), revisions, c.limit, inUse); err != nil {
				t.Fatal(err)
			}
			list, err := api.Client.AppsV1().ControllerRevisions("default").List(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, r := range list.Items {
				left = append(left, r.Name)
			}
			slices.Sort(left)
			if !slices.Equal(left, c.want) {
				t.Errorf("left are %v, want %v", left, c.want)
			}
		})
	}
}
