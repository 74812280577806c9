package check

import (
	"context"
	"strings"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/internal/problem"
	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/field"
)

// Object is one live object, by its kind (with apiVersion where several API
// groups have the kind) and name; the expression sees it as `object`.
type Object struct {
	Kind       string
	APIVersion string `yaml:"apiVersion"`
	Name       *field.Name
	// Namespace is the lab's unless named; it is ignored for kinds without.
	Namespace *field.Name
	// Absent means that the object must not be there; then there is no expr.
	Absent bool
	At     problem.Pos `yaml:"-"`
}

// Variables is the object.
func (*Object) Variables() []string { return []string{"object"} }

// Validate wants a kind and a name.
func (o *Object) Validate(v *field.Validator) {
	v.Need(o.At, "object", "kind", o.Kind != "")
	v.Need(o.At, "object", "name", o.Name != nil)
}

// Watches is the object's kind.
func (o *Object) Watches() (objects []Watched, live bool) {
	return []Watched{{o.Kind, o.APIVersion, o.Namespace}}, true
}

// TakesExpr is false where there shall be no object.
func (o *Object) TakesExpr() bool { return !o.Absent }

// Look reads the object.
func (o *Object) Look(ctx context.Context, c *Cluster, s *Scope, base expr.Scope) (expr.Scope, error) {
	name, namespace, err := o.whose(ctx, s, base)
	if err != nil {
		return nil, err
	}
	if !o.Absent {
		obj, err := c.need(ctx, o.Kind, o.APIVersion, namespace, name)
		if err != nil {
			return nil, err
		}
		return base.With("object", obj.Object), nil
	}
	obj, err := c.Get(ctx, o.Kind, o.APIVersion, namespace, name)
	if err != nil {
		return nil, err
	}
	if obj != nil {
		return nil, missing(lang.Textf("%s %s is still there", "%s %s이(가) 아직 있습니다", kindName(o.Kind), name))
	}
	return base.With("object", nil), nil
}

// whose fills in the object's name and namespace.
func (o *Object) whose(ctx context.Context, s *Scope, base expr.Scope) (name, namespace string, err error) {
	if name, err = o.Name.Fill(ctx, base, ""); err != nil {
		return "", "", err
	}
	namespace, err = o.Namespace.Fill(ctx, base, s.Namespace)
	return name, namespace, err
}

// korean are the kinds that have a name in Korean.
var korean = map[string]string{
	"Pod": "파드", "ReplicaSet": "레플리카셋", "Deployment": "디플로이먼트", "DaemonSet": "데몬셋", "Service": "서비스",
	"Ingress": "인그레스", "Secret": "시크릿", "ConfigMap": "컨피그맵", "Node": "노드", "Namespace": "네임스페이스",
	"ServiceAccount": "서비스 어카운트", "EndpointSlice": "엔드포인트슬라이스", "IngressClass": "인그레스클래스",
	"Job": "잡", "CronJob": "크론잡", "StatefulSet": "스테이트풀셋", "PersistentVolume": "퍼시스턴트볼륨",
	"PersistentVolumeClaim": "퍼시스턴트볼륨클레임", "StorageClass": "스토리지클래스", "Role": "롤", "RoleBinding": "롤바인딩",
	"ResourceQuota": "리소스쿼터", "LimitRange": "리밋레인지",
}

// kindName is a kind within a sentence.
func kindName(kind string) lang.Text {
	name := lang.Text{EN: strings.ToLower(kind), KO: korean[kind]}
	if name.KO == "" {
		name.KO = name.EN
	}
	return name
}
