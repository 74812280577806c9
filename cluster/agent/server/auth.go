package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

const (
	// How long answers of the API server are believed; the kubelet's defaults for its
	// webhooks. A "no" for less long: whoever was just given a right should have it soon.
	tokenTTL   = 2 * time.Minute
	allowedTTL = 5 * time.Minute
	deniedTTL  = 30 * time.Second
	// reviewLimit bounds one question to the API server.
	reviewLimit = 10 * time.Second
	// maxRemembered bounds the memory for answers.
	maxRemembered = 1000

	// masters may do everything, whatever RBAC says.
	masters = "system:masters"
)

// user is who sent a request.
type user struct {
	name   string
	groups []string
}

// authenticate finds out who asks: by a client certificate of the cluster's CA, or
// by a token that the API server knows. There are no anonymous requests.
func (s *Server) authenticate(r *http.Request) (user, bool) {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		if who, err := s.verify(r.TLS.PeerCertificates); err == nil {
			return who, true
		} else {
			slog.Debug("client certificate refused", "from", r.RemoteAddr, "error", err)
		}
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || strings.TrimSpace(token) == "" {
		return user{}, false
	}
	return s.reviews.token(r.Context(), strings.TrimSpace(token))
}

// verify checks a client certificate; the subject is the user (CN) and the groups (O).
func (s *Server) verify(chain []*x509.Certificate) (user, error) {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: s.clients, Intermediates: between, CurrentTime: s.cfg.Clock.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return user{}, err
	}
	return user{name: chain[0].Subject.CommonName, groups: chain[0].Subject.Organization}, nil
}

// authorize asks whether the user may, as the API server's own authorizers (RBAC)
// see it; it answers the request itself if not. Requests to a node's API are
// requests for subresources of its Node: one of those returned by subresources
// has to be allowed.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request, who user) bool {
	if slices.Contains(who.groups, masters) {
		return true
	}
	verb := apiVerb(r.Method)
	subs := subresources(r.URL.Path)
	for _, sub := range subs {
		ok, err := s.reviews.access(r.Context(), who, verb, s.cfg.NodeName, sub)
		if err != nil {
			slog.Error("asking whether a request is allowed failed", "user", who.name, "error", err)
			http.Error(w, fmt.Sprintf("Authorization error (user=%s, verb=%s, resource=nodes, subresource=%s)", who.name, verb, sub), http.StatusInternalServerError)
			return false
		}
		if ok {
			return true
		}
	}
	http.Error(w, fmt.Sprintf("Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=%v)", who.name, verb, subs), http.StatusForbidden)
	return false
}

// apiVerb is what RBAC calls an HTTP method.
func apiVerb(method string) string {
	switch method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return "get"
}

// subresources names what a path is about (k8s.io/kubernetes/pkg/kubelet/server/auth.go,
// KEP-2862): the fine-grained name first where there is one, then "proxy".
func subresources(path string) []string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "stats", "metrics":
		return []string{first}
	case "pods", "healthz":
		return []string{first, "proxy"}
	}
	return []string{"proxy"}
}

// reviews asks the API server who somebody is and what they may, and remembers the
// answers for a while.
type reviews struct {
	client kubernetes.Interface
	clock  clock.Clock
	mu     sync.Mutex
	known  map[[sha256.Size]byte]answer
}

type answer struct {
	who   user
	yes   bool
	until time.Time
}

func newReviews(client kubernetes.Interface, clock clock.Clock) *reviews {
	return &reviews{client: client, clock: clock, known: map[[sha256.Size]byte]answer{}}
}

func (v *reviews) recall(key [sha256.Size]byte) (answer, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a, ok := v.known[key]
	return a, ok && v.clock.Now().Before(a.until)
}

func (v *reviews) remember(key [sha256.Size]byte, a answer, ttl time.Duration) {
	a.until = v.clock.Now().Add(ttl)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= maxRemembered {
		clear(v.known)
	}
	v.known[key] = a
}

// token is the user of a bearer token.
func (v *reviews) token(ctx context.Context, token string) (user, bool) {
	key := sha256.Sum256([]byte("token\x00" + token))
	if a, ok := v.recall(key); ok {
		return a.who, a.yes
	}
	ctx, cancel := context.WithTimeout(ctx, reviewLimit)
	defer cancel()
	got, err := v.client.AuthenticationV1().TokenReviews().Create(ctx,
		&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		slog.Error("asking the API server about a token failed", "error", err)
		return user{}, false
	}
	a := answer{yes: got.Status.Authenticated, who: user{name: got.Status.User.Username, groups: got.Status.User.Groups}}
	v.remember(key, a, tokenTTL)
	return a.who, a.yes
}

// access says whether the user may do this with a subresource of the Node.
func (v *reviews) access(ctx context.Context, who user, verb, node, sub string) (bool, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "access\x00%q %q %q %q %q", who.name, who.groups, verb, node, sub))
	if a, ok := v.recall(key); ok {
		return a.yes, nil
	}
	ctx, cancel := context.WithTimeout(ctx, reviewLimit)
	defer cancel()
	got, err := v.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: who.name, Groups: who.groups,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Version: "v1", Resource: "nodes", Subresource: sub, Name: node}},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("reviewing access: %w", err)
	}
	ttl := deniedTTL
	if got.Status.Allowed {
		ttl = allowedTTL
	}
	v.remember(key, answer{yes: got.Status.Allowed}, ttl)
	return got.Status.Allowed, nil
}
