package podspec

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// A variable and a file of a downwardAPI volume show labels in the same order: that of
// the keys. In the order of whole lines "a.b" would come before "a", because "." sorts
// before the "=" that follows a key.
func TestLabelsAreInTheOrderOfTheirKeys(t *testing.T) {
	pod := testPod()
	pod.Labels = map[string]string{"a.b": "2", "a": "1", "a-b": "3"}
	c := &v1.Container{Name: "main", Env: []v1.EnvVar{{Name: "LABELS", ValueFrom: &v1.EnvVarSource{
		FieldRef: &v1.ObjectFieldSelector{FieldPath: "metadata.labels"},
	}}}}
	got, err := makeEnvironmentVariables(t.Context(), world{}, pod, c, Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "a=\"1\"\na-b=\"3\"\na.b=\"2\""; len(got) != 1 || string(got[0].Value) != want {
		t.Errorf("got %v, want %q", got, want)
	}
}

func TestMetadataValue(t *testing.T) {
	pod := testPod()
	pod.Labels = map[string]string{"app": "web"}
	pod.Annotations = map[string]string{"note": "two\nlines", "Team/name": "x"}
	for path, want := range map[string]string{
		"metadata.name": "web", "metadata.namespace": "shop", "metadata.uid": "u1", "metadata.labels": `app="web"`,
		"metadata.annotations": "Team/name=\"x\"\nnote=\"two\\nlines\"", "metadata.labels['app']": "web", "metadata.labels['none']": "",
		"metadata.annotations['Team/name']": "x",
	} {
		if got, err := MetadataValue(pod, path); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"spec.nodeName", "metadata.labels['a b']", "status['x']", "['x']"} {
		if got, err := MetadataValue(pod, path); err == nil {
			t.Errorf("%s gave %q, want an error", path, got)
		}
	}
}

func FuzzFieldValue(f *testing.F) {
	f.Add("metadata.labels['app']")
	f.Fuzz(func(_ *testing.T, path string) { _, _ = fieldValue(testPod(), path, nil, nil) })
}

func TestResourceValue(t *testing.T) {
	pod := testPod()
	pod.Spec.Containers[0].Resources = v1.ResourceRequirements{
		Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("250m"), v1.ResourceMemory: resource.MustParse("100Mi")},
		Limits:   v1.ResourceList{v1.ResourceMemory: resource.MustParse("200Mi")},
	}
	allocatable := v1.ResourceList{v1.ResourceCPU: resource.MustParse("2")}
	value := func(own *v1.Container, name, what, divisor string) (string, error) {
		return ResourceValue(pod, own, &v1.ResourceFieldSelector{ContainerName: name, Resource: what, Divisor: resource.MustParse(divisor)}, allocatable)
	}
	for _, c := range []struct{ what, divisor, want string }{
		{"requests.cpu", "0", "1"}, {"requests.cpu", "1m", "250"}, {"limits.cpu", "0", "2"}, {"limits.cpu", "1m", "2000"},
		{"requests.memory", "1Mi", "100"}, {"limits.memory", "1Gi", "1"}, {"limits.memory", "0", "209715200"}, {"requests.ephemeral-storage", "0", "0"},
	} {
		own, errOwn := value(&pod.Spec.Containers[0], "", c.what, c.divisor)
		named, errNamed := value(nil, "main", c.what, c.divisor)
		if errOwn != nil || errNamed != nil || own != c.want || named != c.want {
			t.Errorf("%s / %s: %q, %v for itself and %q, %v by name; want %q", c.what, c.divisor, own, errOwn, named, errNamed, c.want)
		}
	}
	for _, what := range []string{"cpu", "limits.gpu", "status.cpu", ""} {
		if _, err := value(nil, "main", what, "0"); err == nil {
			t.Errorf("%q was taken", what)
		}
	}
	for _, name := range []string{"none", ""} {
		if _, err := value(nil, name, "limits.cpu", "0"); err == nil || err.Error() != "container "+name+" not found" {
			t.Errorf("%q: %v", name, err)
		}
	}
}
