package deploy

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"noriter.dev/noriter/cluster/ingress"
)

// typed is what each kind is read into; a misspelt field is an error.
func typed(kind string) any {
	switch kind {
	case "Namespace":
		return &v1.Namespace{}
	case "ServiceAccount":
		return &v1.ServiceAccount{}
	case "Role", "ClusterRole":
		return &rbacv1.ClusterRole{}
	case "RoleBinding", "ClusterRoleBinding":
		return &rbacv1.ClusterRoleBinding{}
	case "IngressClass":
		return &networkingv1.IngressClass{}
	case "Service":
		return &v1.Service{}
	case "Deployment":
		return &appsv1.Deployment{}
	}
	return nil
}

func TestManifestsFitTheController(t *testing.T) {
	objects, err := Manifests("noriter/ingress-nginx:v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		into := typed(o.GetKind())
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
			t.Errorf("%s: %v", o.GetKind(), err)
		}
		switch x := into.(type) {
		case *networkingv1.IngressClass:
			if x.Name != ingress.ClassName || x.Spec.Controller != ingress.ControllerName || x.Annotations[networkingv1.AnnotationIsDefaultIngressClass] != "true" {
				t.Errorf("the class is %+v", x)
			}
		case *appsv1.Deployment:
			ports := x.Spec.Template.Spec.Containers[0].Ports
			if x.Name != Name || Name != ingress.Name || x.Namespace != Namespace || Namespace != ingress.Namespace || ports[0].HostPort != 80 || ports[1].HostPort != 443 {
				t.Errorf("the Deployment is %s/%s with ports %v", x.Namespace, x.Name, ports)
			}
		}
	}
}

func TestImageThatIsNone(t *testing.T) {
	for _, image := range []string{"", "a b", "x\nspec: {}"} {
		if _, err := Manifests(image); err == nil {
			t.Errorf("%q was taken for an image", image)
		}
	}
}
