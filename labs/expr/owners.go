package expr

// Owners tells who keeps each pod in the end, as KIND/NAME, by the pod's name: the
// Deployment and not its ReplicaSet, and "" where nobody does.
//
// It goes from owner reference to owner by UID. A name that begins alike proves nothing:
// a pod that was let go keeps the name that its ReplicaSet gave it.
func Owners(pods, replicaSets []any) map[string]string {
	sets := map[string]map[string]any{}
	for _, v := range replicaSets {
		if set, ok := v.(map[string]any); ok {
			if meta, ok := set["metadata"].(map[string]any); ok {
				uid, _ := meta["uid"].(string)
				sets[uid] = set
			}
		}
	}
	out := map[string]string{}
	for _, v := range pods {
		pod, ok := v.(map[string]any)
		if !ok {
			continue
		}
		meta, _ := pod["metadata"].(map[string]any)
		name, _ := meta["name"].(string)
		out[name] = keeper(pod, sets)
	}
	return out
}

// keeper is who keeps a pod in the end.
func keeper(pod map[string]any, sets map[string]map[string]any) string {
	name, uid := controllerOf(pod)
	set, ok := sets[uid]
	if !ok || uid == "" {
		return name
	}
	if above, _ := controllerOf(set); above != "" {
		return above
	}
	return name
}
