package volumes

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"noriter.dev/noriter/cluster/backoff"
)

const (
	// tokenLife is the part of a token's life after which a new one is asked
	// for, in percent (KEP-1205).
	tokenLife = 80
	// tokenMaxAge is when a token is replaced however long it is valid: maxTTL upstream.
	tokenMaxAge = 24 * time.Hour
	// defaultTokenSeconds is the API's default for expirationSeconds.
	defaultTokenSeconds = 3600
	// Who may have a token of a pod is worked out from a watch that is some milliseconds
	// behind: whether the pod is on this node, in the authorizer and in NodeRestriction. A
	// refusal is taken for one when it lasts for this long, with pauses that double between.
	bindingLag   = time.Second
	bindingPause = 50 * time.Millisecond
)

// tokens keeps the service account tokens of this node's pods: each bound to its
// pod, so that it dies with it, and replaced in time (Manager in
// pkg/kubelet/token/token_manager.go).
type tokens struct {
	client kubernetes.Interface
	clock  clock.Clock
	mu     sync.Mutex
	cache  map[tokenKey]token
}

type tokenKey struct {
	uid               types.UID
	account, audience string
	seconds           int64
}

type token struct {
	value           string
	issued, expires time.Time
}

func newTokens(client kubernetes.Interface, clock clock.Clock) *tokens {
	return &tokens{client: client, clock: clock, cache: map[tokenKey]token{}}
}

// get gives a token that is worth writing: the known one, or a new one if 80 % of
// its life is over. If the API server can't give a new one, the old one serves
// for as long as it is valid.
func (t *tokens) get(ctx context.Context, pod *v1.Pod, src *v1.ServiceAccountTokenProjection) (string, error) {
	key := tokenKey{uid: pod.UID, account: pod.Spec.ServiceAccountName, audience: src.Audience, seconds: defaultTokenSeconds}
	if src.ExpirationSeconds != nil {
		key.seconds = *src.ExpirationSeconds
	}
	t.mu.Lock()
	known, ok := t.cache[key]
	t.mu.Unlock()
	now := t.clock.Now()
	if ok && now.Before(known.renewAt()) {
		return known.value, nil
	}
	ask := t.request
	if !ok {
		ask = t.first
	}
	fresh, err := ask(ctx, pod, key)
	if err == nil {
		t.mu.Lock()
		t.cache[key] = fresh
		t.mu.Unlock()
		return fresh.value, nil
	}
	switch {
	case !ok:
		return "", fmt.Errorf("failed to fetch token: %w", err)
	case now.After(known.expires):
		return "", fmt.Errorf("token of service account %s/%s expired and refresh failed: %w", pod.Namespace, key.account, err)
	}
	slog.Warn("no new token yet, the old one is still valid", "pod", pod.Namespace+"/"+pod.Name, "expires", known.expires, "error", err)
	return known.value, nil
}

// renewAt is when a token has lived long enough.
func (t token) renewAt() time.Time {
	life := t.expires.Sub(t.issued) * tokenLife / 100
	return t.issued.Add(min(life, tokenMaxAge))
}

// first asks for a pod's first token: the API server may not have noticed yet that the pod
// is on this node. Upstream such a refusal is seldom met, as its volume manager takes some
// 100 ms before it begins.
func (t *tokens) first(ctx context.Context, pod *v1.Pod, key tokenKey) (token, error) {
	began := t.clock.Now()
	pause := backoff.Pause{First: bindingPause, Most: bindingLag}
	for {
		got, err := t.request(ctx, pod, key)
		wait := pause.Next()
		if !apierrors.IsForbidden(err) || t.clock.Since(began)+wait > bindingLag || backoff.Wait(ctx, t.clock, wait) != nil {
			return got, err
		}
	}
}

// request asks for a token bound to the pod.
func (t *tokens) request(ctx context.Context, pod *v1.Pod, key tokenKey) (token, error) {
	ask := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &key.seconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if key.audience != "" {
		ask.Spec.Audiences = []string{key.audience}
	}
	ctx, cancel := context.WithTimeout(ctx, objectTimeout)
	defer cancel()
	got, err := t.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, key.account, ask, metav1.CreateOptions{})
	if err != nil {
		return token{}, err
	}
	// The server may give less or more time than was asked for; what it says
	// counts, and the time of issue follows from it.
	seconds := key.seconds
	if got.Spec.ExpirationSeconds != nil {
		seconds = *got.Spec.ExpirationSeconds
	}
	expires := got.Status.ExpirationTimestamp.Time
	return token{value: got.Status.Token, issued: expires.Add(-time.Duration(seconds) * time.Second), expires: expires}, nil
}

// forget drops the tokens of a pod.
func (t *tokens) forget(uid types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.cache {
		if k.uid == uid {
			delete(t.cache, k)
		}
	}
}
