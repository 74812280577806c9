package report

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"noriter.dev/noriter/internal/lang"
)

// clusterLimit is how long the API server may take for one answer, and mostObjects how
// many objects of a kind are told.
const (
	clusterLimit = 10 * time.Second
	mostObjects  = 500
)

// client is a way to the API server that gives up soon.
func (r *run) client() (*kubernetes.Clientset, error) {
	cfg, err := r.Testbed.RESTConfig()
	if err != nil {
		return nil, err
	}
	cfg = rest.CopyConfig(cfg)
	cfg.Timeout = clusterLimit
	cfg.QPS, cfg.Burst = 100, 200 // one question for each kind, all at once
	return kubernetes.NewForConfig(cfg)
}

// clusterSecrets are the values of all Secrets: only so can they be known where a log
// repeats them. They go no further than the scrubber.
func (r *run) clusterSecrets(ctx context.Context) (values []string) {
	client, err := r.client()
	if err != nil {
		return nil // cluster says why
	}
	list, err := client.CoreV1().Secrets("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil // likewise
	}
	for _, s := range list.Items {
		for _, v := range s.Data {
			values = append(values, string(v), base64.StdEncoding.EncodeToString(v))
			values = append(values, long.FindAllString(string(v), -1)...)
		}
	}
	return values
}

// cluster adds what the API server shows of each kind of objects in a list, in the
// columns of kubectl: names, counts, conditions, and never what is in the objects.
func (r *run) cluster(ctx context.Context) error {
	client, err := r.client()
	if err != nil {
		return err
	}
	lists, err := discovery.NewDiscoveryClient(client.RESTClient()).ServerPreferredResources()
	errs := []error{err}
	for _, l := range lists {
		group, version, found := strings.Cut(l.GroupVersion, "/")
		if !found {
			group, version = "", l.GroupVersion
		}
		for _, kind := range l.APIResources {
			if !slices.Contains(kind.Verbs, "list") || group == "" && kind.Name == "secrets" {
				continue
			}
			// Events are in two groups, and are the same.
			if group == "events.k8s.io" {
				continue
			}
			text, err := table(ctx, client, group, version, kind.Name)
			if err != nil {
				errs = append(errs, lang.Errorf("listing %s: %w", "%s 조회: %w", kind.Name, err))
			}
			r.add("cluster/"+strings.TrimSuffix(kind.Name+"."+group, ".")+".txt", text)
		}
	}
	return errors.Join(errs...)
}

// ours says whether a group's columns are Kubernetes' own. What a custom resource shows
// in its columns is its author's choice, a password, too.
func ours(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}

// table asks for the list of a kind as kubectl does, as a table.
func table(ctx context.Context, client *kubernetes.Clientset, group, version, kind string) (string, error) {
	path := "/apis/" + group + "/" + version + "/" + kind
	if group == "" {
		path = "/api/" + version + "/" + kind
	}
	data, err := client.RESTClient().Get().AbsPath(path).Param("limit", fmt.Sprint(mostObjects)).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		return "", err
	}
	var t metav1.Table
	if err := json.Unmarshal(data, &t); err != nil {
		return "", err
	}
	if len(t.Rows) == 0 {
		return "", nil
	}
	if !ours(group) && len(t.ColumnDefinitions) > 1 {
		t.ColumnDefinitions = t.ColumnDefinitions[:1] // the name
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := []string{"NAMESPACE"}
	for _, c := range t.ColumnDefinitions {
		row = append(row, strings.ToUpper(c.Name))
	}
	fmt.Fprintln(w, strings.Join(row, "\t"))
	for _, item := range t.Rows {
		var of metav1.PartialObjectMetadata
		_ = json.Unmarshal(item.Object.Raw, &of) // without it the namespace is not told
		row := []string{of.Namespace}
		for i := range t.ColumnDefinitions {
			if i < len(item.Cells) {
				row = append(row, strings.ReplaceAll(fmt.Sprint(item.Cells[i]), "\n", " "))
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	err = w.Flush()
	return b.String(), err
}
