package podspec

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// getServiceEnvVarMap are the variables by which a container finds the services of its
// namespace, in the form of Docker links: WEB_SERVICE_HOST, WEB_PORT_80_TCP_ADDR …
// The service default/kubernetes is always among them, because clients inside the
// cluster find the API server by it; the others only with links
// (pod.spec.enableServiceLinks). Source: getServiceEnvVarMap in
// pkg/kubelet/kubelet_pods.go, and pkg/kubelet/envvars. DNS is the better way: these
// variables know only the services that were there before the container.
func getServiceEnvVarMap(services []*v1.Service, namespace string, links bool) map[string]string {
	env := map[string]string{}
	for _, s := range services {
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == v1.ClusterIPNone || len(s.Spec.Ports) == 0 {
			continue
		}
		master := s.Namespace == v1.NamespaceDefault && s.Name == "kubernetes"
		own := s.Namespace == namespace && links
		if !master && !own {
			continue
		}
		if master && namespace != v1.NamespaceDefault && shadowed(services, namespace, links) {
			continue // the namespace has a service "kubernetes" of its own, which wins
		}
		addService(env, s)
	}
	return env
}

// shadowed tells whether the namespace has a service "kubernetes" of its own.
func shadowed(services []*v1.Service, namespace string, links bool) bool {
	for _, s := range services {
		if links && s.Namespace == namespace && s.Name == "kubernetes" {
			return true
		}
	}
	return false
}

// addService adds the variables of one service (FromServices in
// pkg/kubelet/envvars/envvars.go).
func addService(env map[string]string, s *v1.Service) {
	prefix := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
	ports := s.Spec.Ports
	env[prefix+"_SERVICE_HOST"] = s.Spec.ClusterIP
	env[prefix+"_SERVICE_PORT"] = strconv.Itoa(int(ports[0].Port))
	for i, p := range ports {
		number := strconv.Itoa(int(p.Port))
		if p.Name != "" {
			env[prefix+"_SERVICE_PORT_"+strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_"))] = number
		}
		protocol := string(p.Protocol)
		if protocol == "" {
			protocol = string(v1.ProtocolTCP)
		}
		lower := strings.ToLower(protocol)
		url := lower + "://" + net.JoinHostPort(s.Spec.ClusterIP, number)
		if i == 0 {
			env[prefix+"_PORT"] = url
		}
		port := fmt.Sprintf("%s_PORT_%s_%s", prefix, number, strings.ToUpper(protocol))
		env[port] = url
		env[port+"_PROTO"] = lower
		env[port+"_PORT"] = number
		env[port+"_ADDR"] = s.Spec.ClusterIP
	}
}
