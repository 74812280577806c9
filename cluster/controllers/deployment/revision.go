package deployment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/templatehash"
)

const (
	// revisionAnnotation numbers the templates of a Deployment, on it and on each of
	// its ReplicaSets. `kubectl rollout history` shows it.
	revisionAnnotation = "deployment.kubernetes.io/revision"
	// historyAnnotation are the numbers a ReplicaSet had before: going back to an old
	// template makes it the newest again, under a new number.
	historyAnnotation = "deployment.kubernetes.io/revision-history"
	// historyLimit is how long, in characters, that list may grow.
	historyLimit = 2000
)

// ownAnnotations are not copied from a Deployment to its ReplicaSets.
var ownAnnotations = map[string]bool{
	v1.LastAppliedConfigAnnotation: true, revisionAnnotation: true, historyAnnotation: true,
	desiredAnnotation: true, maxAnnotation: true, appsv1.DeprecatedRollbackTo: true,
}

// sameTemplate compares templates without the hash that the ReplicaSet's one has.
// The hash itself is not compared: it may come out different in another version.
func sameTemplate(a, b *v1.PodTemplateSpec) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	delete(a.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(b.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(a, b)
}

// revision is the number of a ReplicaSet's template, 0 if it has none.
func revision(rs *appsv1.ReplicaSet) int64 {
	n, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (r *rollout) nextRevision() int64 {
	highest := int64(0)
	for _, rs := range r.old {
		highest = max(highest, revision(rs))
	}
	return highest + 1
}

// adoptFresh brings the annotations of the current ReplicaSet up to date, if there
// is one, and those of the Deployment.
func (r *rollout) adoptFresh(ctx context.Context) error {
	if r.fresh == nil {
		return nil
	}
	changed := r.fresh.DeepCopy()
	if r.annotate(changed, r.nextRevision()) || changed.Spec.MinReadySeconds != r.d.Spec.MinReadySeconds {
		changed.Spec.MinReadySeconds = r.d.Spec.MinReadySeconds
		updated, err := r.c.client.AppsV1().ReplicaSets(changed.Namespace).Update(ctx, changed, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("annotating replica set %s/%s: %w", changed.Namespace, changed.Name, err)
		}
		r.wrote(updated)
	}
	r.setRevision(r.fresh.Annotations[revisionAnnotation])
	if r.hasDeadline() && condition(&r.d.Status, appsv1.DeploymentProgressing) == nil {
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, "FoundNewReplicaSet", fmt.Sprintf("Found new replica set %q", r.fresh.Name))
	}
	return nil
}

func (r *rollout) setRevision(revision string) {
	if r.d.Annotations[revisionAnnotation] == revision {
		return
	}
	if r.d.Annotations == nil {
		r.d.Annotations = map[string]string{}
	}
	r.d.Annotations[revisionAnnotation] = revision
}

// annotate gives a ReplicaSet the Deployment's annotations and its revision. It is
// true if that changed anything.
func (r *rollout) annotate(rs *appsv1.ReplicaSet, newest int64) bool {
	before := maps.Clone(rs.Annotations)
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	for key, value := range r.d.Annotations {
		if !ownAnnotations[key] {
			rs.Annotations[key] = value
		}
	}
	// It keeps a higher number, which it may have if old ReplicaSets were pruned.
	if had := revision(rs); had < newest {
		if had > 0 {
			rs.Annotations[historyAnnotation] = appendHistory(rs.Annotations[historyAnnotation], strconv.FormatInt(had, 10))
		}
		rs.Annotations[revisionAnnotation] = strconv.FormatInt(newest, 10)
	}
	return !maps.Equal(before, rs.Annotations)
}

// appendHistory adds a number to the list and drops the oldest if it grows too long.
func appendHistory(history, revision string) string {
	if history == "" {
		return revision
	}
	numbers := append(strings.Split(history, ","), revision)
	for len(strings.Join(numbers, ",")) > historyLimit {
		numbers = numbers[1:]
	}
	return strings.Join(numbers, ",")
}

// ensureFresh makes the ReplicaSet of the current template, if there is none.
func (r *rollout) ensureFresh(ctx context.Context) error {
	if r.fresh != nil {
		return r.adoptFresh(ctx)
	}
	rs := r.newReplicaSet()
	number := r.nextRevision()
	r.annotate(rs, number)
	r.annotateSize(rs)
	r.decide(ctx, fmt.Sprintf("new replica set %s with %d replicas", rs.Name, *rs.Spec.Replicas), "no replica set has the current pod template", "revision", number)

	created, err := r.c.client.AppsV1().ReplicaSets(r.d.Namespace).Create(ctx, rs, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return r.resolveCollision(ctx, rs.Name, err)
	}
	if err != nil {
		if apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause) {
			return err // the Deployment will be deleted too
		}
		message := fmt.Sprintf("Failed to create new replica set %q: %v", rs.Name, err)
		if r.hasDeadline() {
			r.setCondition(appsv1.DeploymentProgressing, v1.ConditionFalse, "ReplicaSetCreateError", message)
		}
		r.c.events.Event(r.d, v1.EventTypeWarning, "ReplicaSetCreateError", message)
		return fmt.Errorf("creating replica set %s/%s: %w", rs.Namespace, rs.Name, err)
	}
	r.fresh = created
	r.wrote(created)
	if *created.Spec.Replicas > 0 {
		r.c.events.Eventf(r.d, v1.EventTypeNormal, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", created.Name, *created.Spec.Replicas)
	}
	r.setRevision(strconv.FormatInt(number, 10))
	if r.hasDeadline() {
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, "NewReplicaSetCreated", fmt.Sprintf("Created new replica set %q", created.Name))
	}
	return nil
}

// newReplicaSet describes the ReplicaSet of the current template. The hash of the
// template makes its name, so that making it twice makes one, and its selector, so
// that it takes no pods of its siblings.
func (r *rollout) newReplicaSet() *appsv1.ReplicaSet {
	template := r.d.Spec.Template.DeepCopy()
	hash := templatehash.Of(template, r.d.Status.CollisionCount)
	withHash := func(set map[string]string) map[string]string {
		set = maps.Clone(set)
		if set == nil {
			set = map[string]string{}
		}
		set[appsv1.DefaultDeploymentUniqueLabelKey] = hash
		return set
	}
	template.Labels = withHash(template.Labels)
	selector := r.d.Spec.Selector.DeepCopy()
	selector.MatchLabels = withHash(selector.MatchLabels)
	prefix := r.d.Name
	if most := validation.DNS1123SubdomainMaxLength - len(hash) - 1; len(prefix) > most {
		prefix = prefix[:most]
	}
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.d.Namespace, Name: prefix + "-" + hash, Labels: maps.Clone(template.Labels),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r.d, kind)},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: new(int32), MinReadySeconds: r.d.Spec.MinReadySeconds, Selector: selector, Template: *template,
		},
	}
	*rs.Spec.Replicas = r.roomFor(rs)
	return rs
}

// resolveCollision handles that a ReplicaSet of that name exists. Either it is ours
// and the cache lags behind, or its template has the same hash by chance; then the
// next try hashes something more.
func (r *rollout) resolveCollision(ctx context.Context, name string, cause error) error {
	rs, err := r.c.client.AppsV1().ReplicaSets(r.d.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading replica set %s, which exists already: %w", name, err)
	}
	if metav1.IsControlledBy(rs, r.d) && sameTemplate(&rs.Spec.Template, &r.d.Spec.Template) {
		r.fresh = rs
		return r.adoptFresh(ctx)
	}
	r.d.Status.CollisionCount = ptr.To(ptr.Deref(r.d.Status.CollisionCount, 0) + 1)
	r.decide(ctx, "another hash for the pod template", "replica set "+name+" has the same one and another template", "collisions", *r.d.Status.CollisionCount)
	return cause
}

// prune deletes the oldest of the empty ReplicaSets beyond revisionHistoryLimit.
func (r *rollout) prune(ctx context.Context) error {
	if r.d.Spec.RevisionHistoryLimit == nil {
		return nil
	}
	var old []*appsv1.ReplicaSet
	for _, rs := range r.old {
		if rs.DeletionTimestamp == nil {
			old = append(old, rs)
		}
	}
	surplus := len(old) - int(*r.d.Spec.RevisionHistoryLimit)
	if surplus <= 0 {
		return nil
	}
	slices.SortFunc(old, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(cmp.Compare(revision(a), revision(b)), older(a, b))
	})
	for _, rs := range old[:surplus] {
		if rs.Status.Replicas != 0 || *rs.Spec.Replicas != 0 || rs.Generation > rs.Status.ObservedGeneration {
			continue // not yet empty, or nobody has looked
		}
		r.decide(ctx, "deleting replica set "+rs.Name, fmt.Sprintf("more than revisionHistoryLimit %d are old", *r.d.Spec.RevisionHistoryLimit))
		err := r.c.client.AppsV1().ReplicaSets(rs.Namespace).Delete(ctx, rs.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting old replica set %s/%s: %w", rs.Namespace, rs.Name, err)
		}
	}
	return nil
}
