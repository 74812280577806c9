package apiserver

import (
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emicklei/go-restful/v3"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/kube-openapi/pkg/builder"
	"k8s.io/kube-openapi/pkg/builder3"
	"k8s.io/kube-openapi/pkg/cached"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/common/restfuladapter"
	"k8s.io/kube-openapi/pkg/handler"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// lazyOpenAPI serves the schema of Kubernetes' own groups, building each part
// when it is first asked for. Upstream builds and hashes all of it at each
// start, a quarter of the work until the server is ready, of which most
// clients then read three groups.
type lazyOpenAPI struct {
	services []*restful.WebService
	v2       *common.Config
	v3       *common.OpenAPIV3Config
	// started makes the addresses of the schemas differ from one start to the
	// next, since clients keep what they have read under an address for good.
	started time.Time

	mu sync.Mutex
	// groups are those asked for so far, by path: "apis/apps/v1".
	groups map[string]*handler3.OpenAPIService
}

// installOpenAPI serves /openapi/v2 and /openapi/v3 of one server.
func installOpenAPI(server *genericapiserver.GenericAPIServer, v2 *common.Config, v3 *common.OpenAPIV3Config) {
	o := &lazyOpenAPI{
		services: server.Handler.GoRestfulContainer.RegisteredWebServices(),
		v2:       v2, v3: v3, started: time.Now(), groups: map[string]*handler3.OpenAPIService{},
	}
	o.installV2(server.Handler.NonGoRestfulMux)
	server.Handler.NonGoRestfulMux.HandleFunc("/openapi/v3", o.serveRoot)
	server.Handler.NonGoRestfulMux.UnlistedHandlePrefix("/openapi/v3/", http.HandlerFunc(o.serveGroup))
}

// installV2 serves the schema of all groups as one document (Swagger 2.0).
func (o *lazyOpenAPI) installV2(m *mux.PathRecorderMux) {
	build := cached.Once(cached.Func(func() (*spec.Swagger, string, error) {
		s, err := builder.BuildOpenAPISpecFromRoutes(restfuladapter.AdaptWebServices(o.services), o.v2)
		if err != nil {
			return nil, "", fmt.Errorf("building the OpenAPI v2 schema: %w", err)
		}
		s.Definitions = handler.PruneDefaults(s.Definitions)
		return s, o.hash("v2"), nil
	}))
	handler.NewOpenAPIServiceLazy(build).RegisterOpenAPIVersionedService("/openapi/v2", m)
}

// serveRoot lists where the schema of each group and version is.
func (o *lazyOpenAPI) serveRoot(w http.ResponseWriter, r *http.Request) {
	root := handler3.OpenAPIV3Discovery{Paths: map[string]handler3.OpenAPIV3DiscoveryGroupVersion{}}
	for _, s := range o.services {
		path := strings.TrimPrefix(s.RootPath(), "/")
		root.Paths[path] = handler3.OpenAPIV3DiscoveryGroupVersion{ServerRelativeURL: o.address(path)}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Etag", `"`+o.hash("v3")+`"`)
	if err := json.NewEncoder(w).Encode(root); err != nil {
		slog.DebugContext(r.Context(), "writing the OpenAPI v3 index", "error", err)
	}
}

// serveGroup serves the schema of one group and version, in JSON or protobuf.
func (o *lazyOpenAPI) serveGroup(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/openapi/v3/")
	hash := r.URL.Query().Get("hash")
	if hash != "" && hash != o.hash(path) { // from before a restart
		http.Redirect(w, r, o.address(path), http.StatusMovedPermanently)
		return
	}
	group, err := o.group(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if group == nil {
		http.NotFound(w, r)
		return
	}
	if hash != "" { // an address with a hash never changes its meaning
		w.Header().Set("Cache-Control", "public, immutable")
		w.Header().Set("Expires", time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
	}
	plain := r.Clone(r.Context())
	plain.URL.RawQuery = "" // it would be compared with a hash of the content
	group.HandleGroupVersion(w, plain)
}

// group builds the schema of a group when it is first asked for; nil if there
// is none.
func (o *lazyOpenAPI) group(path string) (*handler3.OpenAPIService, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if g, ok := o.groups[path]; ok {
		return g, nil
	}
	i := slices.IndexFunc(o.services, func(s *restful.WebService) bool { return s.RootPath() == "/"+path })
	if i < 0 {
		return nil, nil
	}
	s, err := builder3.BuildOpenAPISpecFromRoutes(restfuladapter.AdaptWebServices(o.services[i:i+1]), o.v3)
	if err != nil {
		return nil, fmt.Errorf("building the OpenAPI schema of %s: %w", path, err)
	}
	keepOwnKinds(s, path)
	g := handler3.NewOpenAPIService()
	g.UpdateGroupVersion(path, s)
	o.groups[path] = g
	return g, nil
}

// hash marks what this process serves at a path.
func (o *lazyOpenAPI) hash(path string) string {
	return fmt.Sprintf("%X", sha512.Sum512(fmt.Appendf(nil, "%s %d", path, o.started.UnixNano())))
}

// address is where the schema of a group is, relative to the server.
func (o *lazyOpenAPI) address(path string) string {
	u := url.URL{Path: "/openapi/v3/" + path, RawQuery: url.Values{"hash": {o.hash(path)}}.Encode()}
	return u.String()
}

// kindsOf is the extension that says which kinds a schema is of.
const kindsOf = "x-kubernetes-group-version-kind"

// keepOwnKinds shortens the list of kinds of the types that are registered in
// every group, WatchEvent and DeleteOptions, to the group's own and core's, as
// upstream does.
func keepOwnKinds(s *spec3.OpenAPI, path string) {
	gv, ok := groupVersionOf("/" + path)
	if !ok || s.Components == nil {
		return
	}
	for _, schema := range s.Components.Schemas {
		kinds, _ := schema.Extensions[kindsOf].([]any)
		if len(kinds) < 2 || !inEveryGroup(kinds[0]) {
			continue
		}
		schema.Extensions[kindsOf] = slices.DeleteFunc(slices.Clone(kinds), func(k any) bool {
			m, _ := k.(map[string]any)
			own := m["group"] == gv.Group && m["version"] == gv.Version
			core := m["group"] == "" && m["version"] == "v1"
			return !own && !core
		})
	}
}

// inEveryGroup is true for the kinds that every group has.
func inEveryGroup(kind any) bool {
	m, _ := kind.(map[string]any)
	return m["kind"] == "WatchEvent" || m["kind"] == "DeleteOptions"
}
