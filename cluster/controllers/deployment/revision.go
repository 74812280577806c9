package deployment

import (
	"maps"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
)

const (
	// revisionAnnotation numbers the templates of a Deployment, on it and on each of
	// its ReplicaSets. `kubectl rollout history` shows it.
	revisionAnnotation = "deployment.kubernetes.io/revision"
	// historyAnnotation are the numbers a ReplicaSet had before: going back to an old
	// template makes it the newest again, under a new number.
	historyAnnotation = "deployment.kubernetes.io/revision-history"
	// historyLimit is how long, in characters, that list may grow: upstream's
	// maxRevHistoryLengthInChars (pkg/controller/deployment/sync.go).
	historyLimit = 2000
)

// ownAnnotations are not copied from a Deployment to its ReplicaSets (upstream's
// annotationsToSkip). kubectl's would say of the ReplicaSet that it was applied, the
// others are each object's own.
var ownAnnotations = map[string]bool{
	v1.LastAppliedConfigAnnotation: true, revisionAnnotation: true, historyAnnotation: true,
	desiredAnnotation: true, maxAnnotation: true, appsv1.DeprecatedRollbackTo: true,
}

// revision is the number of a ReplicaSet's template, 0 if it has none.
func revision(rs *appsv1.ReplicaSet) int64 {
	n, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// nextRevision is the number of the new template: one more than that of any old one
// (upstream's MaxRevision).
func (r *rollout) nextRevision() int64 {
	highest := int64(0)
	for _, rs := range r.oldRSs {
		highest = max(highest, revision(rs))
	}
	return highest + 1
}

// setDeploymentRevision notes the current revision on the Deployment.
func (r *rollout) setDeploymentRevision(revision string) {
	if r.d.Annotations[revisionAnnotation] == revision {
		return
	}
	if r.d.Annotations == nil {
		r.d.Annotations = map[string]string{}
	}
	r.d.Annotations[revisionAnnotation] = revision
}

// setNewReplicaSetAnnotations gives a ReplicaSet the Deployment's annotations and its
// revision (upstream's SetNewReplicaSetAnnotations). It is true if that changed anything.
// kubernetes.io/change-cause gets there in this way, and so into the rollout history.
func (r *rollout) setNewReplicaSetAnnotations(rs *appsv1.ReplicaSet, newest int64) bool {
	before := maps.Clone(rs.Annotations)
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	for key, value := range r.d.Annotations {
		if !ownAnnotations[key] {
			rs.Annotations[key] = value
		}
	}
	// It keeps a higher number, which it may have if old ReplicaSets were deleted.
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
