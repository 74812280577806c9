package fault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"noriter.dev/noriter/internal/lang"
	"noriter.dev/noriter/testbed"
)

// undoSecret is the secret that was deleted, as JSON.
const undoSecret = "secret"

// noSecretReason is the event of a pod whose pull secret is not there.
const noSecretReason = "FailedToRetrieveImagePullSecret"

var pullSecretMissing = &Fault{
	Name: "pull-secret-missing", Level: 2, workload: true,
	What: lang.Text{EN: "the secret with which a Deployment pulls its image is gone", KO: "디플로이먼트가 이미지를 받을 때 쓰는 시크릿을 지움"},
	Symptom: lang.Text{
		EN: "new pods warn FailedToRetrieveImagePullSecret; a private image that the node lacks is not pulled",
		KO: "새 파드에 FailedToRetrieveImagePullSecret 경고가 뜹니다. 노드에 없는 비공개 이미지는 받지 못합니다",
	},
	targets: deployments(func(d *appsv1.Deployment) bool { return len(d.Spec.Template.Spec.ImagePullSecrets) > 0 }),
	plan: func(ctx context.Context, w *world, f *testbed.Fault, chance *rand.Rand) error {
		d, err := w.deployment(ctx, *f)
		if err != nil {
			return err
		}
		refs := d.Spec.Template.Spec.ImagePullSecrets
		name := refs[chance.IntN(len(refs))].Name
		c, err := w.client()
		if err != nil {
			return err
		}
		s, err := c.CoreV1().Secrets(f.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return lang.Errorf("looking at the pull secret of %s: %w", "%s의 이미지 풀 시크릿 조회: %w", TargetOf(*f), err)
		}
		kept, err := json.Marshal(v1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: s.Name, Labels: s.Labels, Annotations: s.Annotations}, Type: s.Type, Data: s.Data, Immutable: s.Immutable,
		})
		if err != nil {
			return err
		}
		keep(f, map[string]string{undoWhere: name, undoSecret: string(kept)})
		return nil
	},
	inject:  loseSecret,
	recover: returnSecret,
	look:    lookForSecret,
}

// loseSecret deletes the secret and one pod, so that somebody misses it.
func loseSecret(ctx context.Context, w *world, f testbed.Fault) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	if err := c.CoreV1().Secrets(f.Namespace).Delete(ctx, f.Undo[undoWhere], metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return lang.Errorf("deleting the pull secret: %w", "이미지 풀 시크릿 삭제: %w", err)
	}
	return w.losePod(ctx, f)
}

// losePod deletes one pod of a Deployment, so that a new one has to be made.
func (w *world) losePod(ctx context.Context, f testbed.Fault) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	d, err := w.deployment(ctx, f)
	if err != nil {
		return err
	}
	pods, err := w.podsOf(ctx, d)
	if err != nil || len(pods) == 0 {
		return err
	}
	if err := c.CoreV1().Pods(f.Namespace).Delete(ctx, pods[0].Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return lang.Errorf("deleting a pod: %w", "파드 삭제: %w", err)
	}
	return nil
}

// returnSecret makes the secret again unless somebody has, and deletes the pods
// that could not do without, so that they need not sit their back-off out.
func returnSecret(ctx context.Context, w *world, f testbed.Fault) error {
	var s v1.Secret
	if err := json.Unmarshal([]byte(f.Undo[undoSecret]), &s); err != nil {
		return nil // nothing was planned, so nothing was done
	}
	c, err := w.client()
	if err != nil {
		return err
	}
	_, err = c.CoreV1().Secrets(f.Namespace).Create(ctx, &s, metav1.CreateOptions{})
	switch {
	case apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause):
		return nil // the namespace is gone, and all that was in it
	case err != nil && !apierrors.IsAlreadyExists(err):
		return lang.Errorf("making the pull secret again: %w", "이미지 풀 시크릿 다시 만들기: %w", err)
	}
	return w.renewPending(ctx, f)
}

// renewPending deletes the pods of a Deployment that don't run, so that new ones need not sit
// a back-off out.
func (w *world) renewPending(ctx context.Context, f testbed.Fault) error {
	c, err := w.client()
	if err != nil {
		return err
	}
	d, err := w.deployment(ctx, f)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	pods, err := w.podsOf(ctx, d)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if p.DeletionTimestamp == nil && p.Status.Phase == v1.PodPending {
			if err := c.CoreV1().Pods(f.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return lang.Errorf("deleting a pod: %w", "파드 삭제: %w", err)
			}
		}
	}
	return nil
}

func lookForSecret(ctx context.Context, w *world, f testbed.Fault) (Sight, error) {
	d, err := w.deployment(ctx, f)
	if err != nil {
		return gone(err)
	}
	c, err := w.client()
	if err != nil {
		return Sight{}, err
	}
	missing := ""
	for _, ref := range d.Spec.Template.Spec.ImagePullSecrets {
		_, err := c.CoreV1().Secrets(f.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			missing = ref.Name
		} else if err != nil {
			return Sight{}, lang.Errorf("looking for the pull secret: %w", "이미지 풀 시크릿 찾기: %w", err)
		}
	}
	if missing == "" {
		return w.secretSight(ctx, f, d)
	}
	warned, err := w.warned(ctx, f, noSecretReason)
	if err != nil {
		return Sight{}, err
	}
	if warned {
		return Sight{Broken, lang.Textf("a new pod warns %s: %s", "새 파드의 경고 %s: %s", noSecretReason, missing)}, nil
	}
	// Where the node has the image, nobody asks for the secret: that a pod had
	// to do without it is all there is to see.
	pods, err := w.podsOf(ctx, d)
	if err != nil {
		return Sight{}, err
	}
	for _, p := range pods {
		if p.DeletionTimestamp == nil && !p.CreationTimestamp.Time.Before(f.Since.Truncate(time.Second)) {
			return Sight{Broken, lang.Textf("the new pod %s was made without the secret %s", "새 파드 %s이(가) 시크릿 %s 없이 만들어짐", p.Name, missing)}, nil
		}
	}
	return Sight{Between, lang.Textf("no pod has missed the secret %s yet", "아직 시크릿 %s을(를) 찾은 파드가 없음", missing)}, nil
}

// secretSight looks at a Deployment whose pull secrets are all there: at least one must
// hold the login of before, or its pods could not pull.
func (w *world) secretSight(ctx context.Context, f testbed.Fault, d *appsv1.Deployment) (Sight, error) {
	c, err := w.client()
	if err != nil {
		return Sight{}, err
	}
	var kept v1.Secret
	if f.Undo[undoSecret] != "" {
		if err := json.Unmarshal([]byte(f.Undo[undoSecret]), &kept); err != nil {
			return Sight{}, err
		}
	}
	for _, ref := range d.Spec.Template.Spec.ImagePullSecrets {
		s, err := c.CoreV1().Secrets(f.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			return Sight{}, lang.Errorf("looking for the pull secret: %w", "이미지 풀 시크릿 찾기: %w", err)
		}
		if sameLogins(kept, *s) {
			how := rolledOut(f, d)
			how.Seen = lang.Textf("the secret %s is there; %s", "시크릿 %s이(가) 있음, %s", ref.Name, how.Seen)
			return how, nil
		}
	}
	return seen(Broken, "no pull secret of it has the login that it had", "이전의 로그인 정보가 든 이미지 풀 시크릿이 없음"), nil
}

// sameLogins says whether a secret logs in wherever another did, as the same user.
func sameLogins(was, is v1.Secret) bool {
	before, now := logins(was), logins(is)
	for host, login := range before {
		if now[host] != login {
			return false
		}
	}
	return true
}

// logins are the "user:password" of each registry in a secret.
func logins(s v1.Secret) map[string]string {
	var file struct {
		Auths map[string]struct{ Username, Password, Auth string }
	}
	out := map[string]string{}
	if json.Unmarshal(s.Data[v1.DockerConfigJsonKey], &file) != nil {
		return out
	}
	for host, a := range file.Auths {
		out[host] = a.Username + ":" + a.Password
		if plain, err := base64.StdEncoding.DecodeString(a.Auth); err == nil && len(plain) > 0 {
			out[host] = string(plain)
		}
	}
	return out
}

// warned says whether there was an event of a reason since the fault is in.
func (w *world) warned(ctx context.Context, f testbed.Fault, reason string) (bool, error) {
	c, err := w.client()
	if err != nil {
		return false, err
	}
	list, err := c.CoreV1().Events(f.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
	if err != nil {
		return false, lang.Errorf("listing events: %w", "이벤트 목록 조회: %w", err)
	}
	for _, e := range list.Items {
		at := e.LastTimestamp.Time
		if at.IsZero() {
			at = e.EventTime.Time
		}
		// Events count whole seconds.
		if !at.Before(f.Since.Truncate(time.Second)) {
			return true, nil
		}
	}
	return false, nil
}
