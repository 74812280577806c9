// Package proxy makes Services work on a node: it watches Services and
// EndpointSlices and keeps an nftables table that rewrites the destination of
// packets to a Service's address into that of one of its endpoints.
//
// It is this project's kube-proxy, and its table looks like that of
// kube-proxy's nftables mode (KEP-3866): maps from address, protocol and port to a
// chain, and chains that pick an endpoint. Read it with
//
//	nft list table ip kube-proxy
//
// The packets themselves never come by here: with the proxy stopped, Services
// work on as they were, and only changes go unnoticed.
//
// A change of the API goes through these files, each with upstream's below pkg/proxy:
//
//	config.go           watches Services and EndpointSlices           config/config.go
//	proxier.go          which Services changed; syncProxyRules        nftables/proxier.go
//	runner.go           when to sync, and how often at most           runner
//	serviceport.go      what of a Service decides its rules           serviceport.go
//	endpoint.go         what of its EndpointSlices does               endpointslicecache.go
//	topology.go         which endpoints may be used                   topology.go
//	rules.go            the rules of one port                         nftables/proxier.go
//	nodeport.go         node ports and addresses from outside         nftables/proxier.go
//	setup_nftables.go   the fixed chains: where packets enter         nftables/proxier.go
//	state.go            the table as plain data
//	writer.go           the difference becomes one transaction        nftables/proxier.go
//	verify.go           is the table still as it was written
//	conntrack.go        tracked UDP flows to endpoints that are gone  conntrack/cleanup.go
//	health.go           /healthz                                      healthcheck/proxy_health.go
package proxy
