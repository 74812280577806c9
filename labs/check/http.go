package check

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"noriter.dev/noriter/labs/expr"
	"noriter.dev/noriter/labs/format"
	"noriter.dev/noriter/labs/lang"
)

// lookHTTP asks for a page; with a selector, every pod that fits.
func (c *Cluster) lookHTTP(ctx context.Context, s *Scope, h *format.HTTP, base expr.Scope) (expr.Scope, error) {
	path, err := fill(ctx, h.Path, base, "/")
	if err != nil {
		return nil, err
	}
	switch {
	case h.URL != nil || h.Node != nil:
		return c.fromHost(ctx, h, path, base)
	case h.Selector != nil:
		return c.fromEach(ctx, s, h, path, base)
	}
	resource, name := "services", ""
	if h.Service != nil {
		name, err = h.Service.Render(ctx, base)
	} else if name, err = h.Pod.Render(ctx, base); err == nil {
		resource, err = "pods", c.runningPod(ctx, s.Namespace, name)
	}
	if err != nil {
		return nil, err
	}
	page, err := c.Reach.Get(ctx, s.Namespace, resource, name, h.Port, path)
	if err != nil {
		return nil, missing("%v", err)
	}
	return pageScope(base, name, page), nil
}

func pageScope(base expr.Scope, target string, p Page) expr.Scope {
	return base.With("target", target).With("code", p.Code).With("body", p.Body)
}

// fromEach asks every pod that is ready and carries the label.
func (c *Cluster) fromEach(ctx context.Context, s *Scope, h *format.HTTP, path string, base expr.Scope) (expr.Scope, error) {
	selector, err := h.Selector.Render(ctx, base)
	if err != nil {
		return nil, err
	}
	pods, err := c.List(ctx, "Pod", "v1", s.Namespace, selector)
	if err != nil {
		return nil, err
	}
	pages := []map[string]any{}
	for i := range pods {
		if !expr.Ready(pods[i].Object) {
			continue
		}
		page, err := c.Reach.Get(ctx, s.Namespace, "pods", pods[i].GetName(), h.Port, path)
		if err != nil {
			page = Page{Body: err.Error()}
		}
		pages = append(pages, map[string]any{"target": pods[i].GetName(), "code": page.Code, "body": page.Body})
	}
	if len(pages) == 0 {
		return nil, missing("%s", lang.T(
			fmt.Sprintf("no pod with the label %s is ready", selector),
			fmt.Sprintf("레이블 %s을(를) 가진 파드 중 준비된 것이 없습니다", selector)))
	}
	return base.With("pages", pages), nil
}

// fromHost asks from this process's own network: a URL, or a port of a node.
func (c *Cluster) fromHost(ctx context.Context, h *format.HTTP, path string, base expr.Scope) (expr.Scope, error) {
	url, err := fill(ctx, h.URL, base, "")
	if err != nil {
		return nil, err
	}
	if h.Node != nil {
		if url, err = c.nodeURL(ctx, h, path, base); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", url, err)
	}
	resp, err := plainClient.Do(req)
	if err != nil {
		return nil, missing("%v", err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, outputLimit))
	closeErr := resp.Body.Close()
	if err != nil || closeErr != nil {
		return nil, missing("reading the answer of %s: %v", url, err)
	}
	return pageScope(base, url, Page{Code: resp.StatusCode, Body: string(body)}), nil
}

// plainClient follows no redirects, uses no proxy and keeps no connection: a
// new one is what tells whether the way is open now.
var plainClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// nodeURL finds the internal address of a node.
func (c *Cluster) nodeURL(ctx context.Context, h *format.HTTP, path string, base expr.Scope) (string, error) {
	name, err := h.Node.Render(ctx, base)
	if err != nil {
		return "", err
	}
	node, err := c.Get(ctx, "Node", "v1", "", name)
	if err != nil {
		return "", err
	}
	if node == nil {
		return "", missing("%s", lang.T("there is no node "+name, "노드 "+name+"이(가) 없습니다"))
	}
	addresses, _, _ := unstructured.NestedSlice(node.Object, "status", "addresses") // none: said below
	for _, a := range addresses {
		if m, ok := a.(map[string]any); ok && m["type"] == "InternalIP" {
			host, _ := m["address"].(string)
			return "http://" + net.JoinHostPort(host, strconv.Itoa(h.Port)) + "/" + strings.TrimPrefix(path, "/"), nil
		}
	}
	return "", fmt.Errorf("node %s has no InternalIP", name)
}
