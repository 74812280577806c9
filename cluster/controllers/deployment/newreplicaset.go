package deployment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"noriter.dev/noriter/cluster/controllers/podset"
	"noriter.dev/noriter/cluster/controllers/templatehash"
)

// getNewReplicaSet makes the ReplicaSet of the current template, if there is none
// (upstream's function of the same name, in sync.go). Afterwards r.newRS is not nil.
func (r *rollout) getNewReplicaSet(ctx context.Context) error {
	if r.newRS != nil {
		return r.updateNewReplicaSet(ctx)
	}
	rs := r.describeNewReplicaSet()
	number := r.nextRevision()
	r.setNewReplicaSetAnnotations(rs, number)
	r.setReplicasAnnotations(rs)
	r.decide(ctx, fmt.Sprintf("new replica set %s with %d replicas", rs.Name, *rs.Spec.Replicas), "no replica set has the current pod template", "revision", number)

	created, err := r.c.client.AppsV1().ReplicaSets(r.d.Namespace).Create(ctx, rs, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return r.resolveCollision(ctx, rs.Name, err)
	}
	if err != nil {
		return r.noteCreateError(rs, err)
	}
	r.newRS = created
	r.wrote(created)
	if *created.Spec.Replicas > 0 {
		r.c.events.Eventf(r.d, v1.EventTypeNormal, "ScalingReplicaSet", "Scaled up replica set %s from 0 to %d", created.Name, *created.Spec.Replicas)
	}
	r.setDeploymentRevision(strconv.FormatInt(number, 10))
	if r.hasProgressDeadline() {
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, "NewReplicaSetCreated", fmt.Sprintf("Created new replica set %q", created.Name))
	}
	return nil
}

// updateNewReplicaSet brings the annotations of the new ReplicaSet up to date, if there
// is one, and those of the Deployment.
func (r *rollout) updateNewReplicaSet(ctx context.Context) error {
	if r.newRS == nil {
		return nil
	}
	changed := r.newRS.DeepCopy()
	// minReadySeconds is no part of the template: a change of it starts no rollout, and
	// holds for the pods that run.
	if r.setNewReplicaSetAnnotations(changed, r.nextRevision()) || changed.Spec.MinReadySeconds != r.d.Spec.MinReadySeconds {
		changed.Spec.MinReadySeconds = r.d.Spec.MinReadySeconds
		updated, err := r.c.client.AppsV1().ReplicaSets(changed.Namespace).Update(ctx, changed, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("annotating replica set %s/%s: %w", changed.Namespace, changed.Name, err)
		}
		r.wrote(updated)
	}
	r.setDeploymentRevision(r.newRS.Annotations[revisionAnnotation])
	if r.hasProgressDeadline() && condition(&r.d.Status, appsv1.DeploymentProgressing) == nil {
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionTrue, "FoundNewReplicaSet", fmt.Sprintf("Found new replica set %q", r.newRS.Name))
	}
	return nil
}

// describeNewReplicaSet is the ReplicaSet of the current template. The hash of the
// template makes its name, so that making it twice makes one, and its selector, so
// that it takes no pods of its siblings.
func (r *rollout) describeNewReplicaSet() *appsv1.ReplicaSet {
	template := r.d.Spec.Template.DeepCopy()
	hash := templatehash.Of(template, r.d.Status.CollisionCount)
	template.Labels = templatehash.Label(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	selector := r.d.Spec.Selector.DeepCopy()
	selector.MatchLabels = templatehash.Label(selector.MatchLabels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.d.Namespace, Name: replicaSetName(r.d.Name, hash),
			Labels:          templatehash.Label(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, hash),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r.d, kind)},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: new(int32), MinReadySeconds: r.d.Spec.MinReadySeconds, Selector: selector, Template: *template,
		},
	}
	*rs.Spec.Replicas = r.newRSNewReplicas(rs)
	return rs
}

// replicaSetName cuts a long name, so that the hash stays whole.
func replicaSetName(deployment, hash string) string {
	if most := validation.DNS1123SubdomainMaxLength - len(hash) - 1; len(deployment) > most {
		deployment = deployment[:most]
	}
	return deployment + "-" + hash
}

// resolveCollision handles that a ReplicaSet of that name exists. Either it is ours
// and the cache lags behind, or its template has the same hash by chance; then the
// next try hashes something more.
func (r *rollout) resolveCollision(ctx context.Context, name string, cause error) error {
	rs, err := r.c.client.AppsV1().ReplicaSets(r.d.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading replica set %s, which exists already: %w", name, err)
	}
	if metav1.IsControlledBy(rs, r.d) && equalIgnoreHash(&rs.Spec.Template, &r.d.Spec.Template) {
		r.newRS = rs
		return r.updateNewReplicaSet(ctx)
	}
	r.d.Status.CollisionCount = ptr.To(ptr.Deref(r.d.Status.CollisionCount, 0) + 1)
	r.decide(ctx, "another hash for the pod template", "replica set "+name+" has the same one and another template", "collisions", *r.d.Status.CollisionCount)
	return cause
}

// noteCreateError reports, in an event and in the status, that the ReplicaSet could not
// be made.
func (r *rollout) noteCreateError(rs *appsv1.ReplicaSet, err error) error {
	if apierrors.HasStatusCause(err, v1.NamespaceTerminatingCause) {
		return err // the Deployment will be deleted too
	}
	message := fmt.Sprintf("Failed to create new replica set %q: %v", rs.Name, err)
	if r.hasProgressDeadline() {
		r.setCondition(appsv1.DeploymentProgressing, v1.ConditionFalse, "ReplicaSetCreateError", message)
	}
	r.c.events.Event(r.d, v1.EventTypeWarning, "ReplicaSetCreateError", message)
	return fmt.Errorf("creating replica set %s/%s: %w", rs.Namespace, rs.Name, err)
}

// cleanupDeployment deletes the oldest of the empty ReplicaSets beyond
// revisionHistoryLimit (upstream's function of the same name, in sync.go). What is
// deleted can't be gone back to.
func (r *rollout) cleanupDeployment(ctx context.Context) error {
	if r.d.Spec.RevisionHistoryLimit == nil {
		return nil
	}
	var old []*appsv1.ReplicaSet
	for _, rs := range r.oldRSs {
		if rs.DeletionTimestamp == nil {
			old = append(old, rs)
		}
	}
	surplus := len(old) - int(*r.d.Spec.RevisionHistoryLimit)
	if surplus <= 0 {
		return nil
	}
	slices.SortFunc(old, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(cmp.Compare(revision(a), revision(b)), podset.OldestFirst(a, b))
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
