package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// statsSummary answers /stats/summary.
func (s *Server) statsSummary(w http.ResponseWriter, r *http.Request) {
	got, err := s.usage.summary(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, got)
}

// metricsResource answers /metrics/resource, which is what a metrics server scrapes
// for kubectl top and for autoscaling, in the text format of Prometheus.
func (s *Server) metricsResource(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	got, err := s.usage.summary(r.Context())
	failed := 0
	if err != nil {
		failed = 1
		got = &stats.Summary{}
	}
	writeMetrics(&b, got)
	metric(&b, "resource_scrape_error", "gauge", "1 if the usage of containers could not be measured, else 0")
	fmt.Fprintf(&b, "resource_scrape_error %d\n", failed)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}

// writeMetrics writes what upstream's /metrics/resource has
// (pkg/kubelet/metrics/collectors/resource_metrics.go). All values of one metric stand
// together, as the format demands.
func writeMetrics(b *strings.Builder, s *stats.Summary) {
	metric(b, "container_cpu_usage_seconds_total", "counter", "Processor time used by the container, in core-seconds")
	eachContainer(s, func(labels string, c *stats.ContainerStats) {
		seconds(b, "container_cpu_usage_seconds_total", labels, c.CPU)
	})
	metric(b, "container_memory_working_set_bytes", "gauge", "Working set of the container, in bytes")
	eachContainer(s, func(labels string, c *stats.ContainerStats) {
		bytes(b, "container_memory_working_set_bytes", labels, c.Memory)
	})
	metric(b, "container_start_time_seconds", "gauge", "Start of the container, in seconds since 1970")
	eachContainer(s, func(labels string, c *stats.ContainerStats) {
		if !c.StartTime.IsZero() {
			fmt.Fprintf(b, "container_start_time_seconds%s %d\n", labels, c.StartTime.Unix())
		}
	})
	metric(b, "node_cpu_usage_seconds_total", "counter", "Processor time used by the node, in core-seconds")
	seconds(b, "node_cpu_usage_seconds_total", "", s.Node.CPU)
	metric(b, "node_memory_working_set_bytes", "gauge", "Working set of the node, in bytes")
	bytes(b, "node_memory_working_set_bytes", "", s.Node.Memory)
	metric(b, "pod_cpu_usage_seconds_total", "counter", "Processor time used by the pod, in core-seconds")
	for i := range s.Pods {
		seconds(b, "pod_cpu_usage_seconds_total", podLabels(&s.Pods[i]), s.Pods[i].CPU)
	}
	metric(b, "pod_memory_working_set_bytes", "gauge", "Working set of the pod, in bytes")
	for i := range s.Pods {
		bytes(b, "pod_memory_working_set_bytes", podLabels(&s.Pods[i]), s.Pods[i].Memory)
	}
}

// eachContainer calls do with every container and its labels.
func eachContainer(s *stats.Summary, do func(labels string, c *stats.ContainerStats)) {
	for i := range s.Pods {
		for j := range s.Pods[i].Containers {
			c, ref := &s.Pods[i].Containers[j], s.Pods[i].PodRef
			do(fmt.Sprintf("{container=%q,namespace=%q,pod=%q}", c.Name, ref.Namespace, ref.Name), c)
		}
	}
}

func podLabels(p *stats.PodStats) string {
	return fmt.Sprintf("{namespace=%q,pod=%q}", p.PodRef.Namespace, p.PodRef.Name)
}

func metric(b *strings.Builder, name, kind, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func seconds(b *strings.Builder, name, labels string, c *stats.CPUStats) {
	if c != nil && c.UsageCoreNanoSeconds != nil {
		text := strconv.FormatFloat(float64(*c.UsageCoreNanoSeconds)/float64(time.Second), 'f', -1, 64)
		fmt.Fprintf(b, "%s%s %s %d\n", name, labels, text, c.Time.UnixMilli())
	}
}

func bytes(b *strings.Builder, name, labels string, m *stats.MemoryStats) {
	if m != nil && m.WorkingSetBytes != nil {
		fmt.Fprintf(b, "%s%s %d %d\n", name, labels, *m.WorkingSetBytes, m.Time.UnixMilli())
	}
}
