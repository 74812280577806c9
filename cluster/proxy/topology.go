package proxy

// endpointCategories are the endpoints that a service port's traffic may go to.
type endpointCategories struct {
	cluster []endpoint // policy Cluster: any node's
	local   []endpoint // policy Local: this node's
	any     bool       // there is one somewhere, of use to some policy
}

// categorizeEndpoints picks endpoints as the API asks for (CategorizeEndpoints in
// pkg/proxy/topology.go): the ready ones; where there are none, those that still serve
// while they terminate, so that a rollout or a drain loses no connection (KEP-1669).
//
// Policy Local has a list of its own because it also means something to have none: a node
// without a pod then drops what comes from outside, rather than send it on.
func (p *servicePort) categorizeEndpoints() endpointCategories {
	var c endpointCategories
	c.cluster = filterEndpoints(p.endpoints, false)
	if p.internalLocal || p.externalLocal {
		c.local = filterEndpoints(p.endpoints, true)
	}
	c.any = len(c.cluster) > 0
	return c
}

// filterEndpoints are the ready ones, or else those that leave but still serve.
func filterEndpoints(all []endpoint, localOnly bool) []endpoint {
	var ready, leaving []endpoint
	for _, e := range all {
		switch {
		case localOnly && !e.local:
		case e.ready:
			ready = append(ready, e)
		case e.serving && e.terminating:
			leaving = append(leaving, e)
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return leaving
}
