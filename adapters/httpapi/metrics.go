package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/atocore/atocore"
)

// metrics are a handler's, in a registry of its own: a program may have several handlers,
// and metrics of its own. A nil *metrics counts nothing.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newMetrics(s *server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "atocore_http_requests_total", Help: "Requests, by route, method and status.",
		}, []string{"route", "method", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "atocore_http_request_duration_seconds", Help: "How long requests took, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "atocore_http_requests_in_flight", Help: "Requests that are being answered.",
		}),
	}
	m.registry.MustRegister(m.requests, m.took, m.inFlight, &storeMetrics{s, newDescs()})
	return m
}

func (m *metrics) begin() {
	if m != nil {
		m.inFlight.Inc()
	}
}

func (m *metrics) end(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.inFlight.Dec()
	if route == "" {
		route = "none" // what nobody serves must not make a series for each path
	}
	if _, path, ok := strings.Cut(route, " "); ok {
		route = path
	}
	m.requests.WithLabelValues(route, loggable(method), strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: promLog{log}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
}

type promLog struct{ *slog.Logger }

// Println implements promhttp.Logger.
func (l promLog) Println(v ...any) {
	for _, e := range v {
		if err, ok := e.(error); ok {
			l.Warn("metrics", "error", err)
		}
	}
}

// A storeMetrics looks at the store when it is asked.
type storeMetrics struct {
	s *server
	descs
}

// descs describe what is found out about the store. They are made for a registry, not for
// the package: a command that serves nothing should not pay for them.
type descs struct {
	build, up, memories, records, journal, bytes, vectors,
	pending, embedder, snapshot, sound, drill, drillOK, proven,
	jobRun, jobWell, jobOK, jobTook, jobRuns, jobBad *prometheus.Desc
}

func newDescs() descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("atocore_"+name, help, labels, nil)
	}
	return descs{
		build:    desc("build_info", "What the program was built from.", "version", "revision", "go"),
		up:       desc("store_usable", "Whether the store can be used."),
		memories: desc("memories", "Memories, by status.", "status"),
		records:  desc("records", "Records, by kind.", "kind"),
		journal:  desc("journal_last_seq", "The number of the journal's last entry."),
		bytes:    desc("store_bytes", "Size of the database, its log included."),
		vectors:  desc("vectors", "Vectors of the embedder's space."),
		pending:  desc("vectors_pending", "Texts that wait for their vectors."),
		embedder: desc("embedder_state", "1 for the state that the embedder is in.", "state"),
		snapshot: desc("last_snapshot_timestamp_seconds", "When the newest snapshot was taken."),
		sound:    desc("last_snapshot_sound", "Whether nothing is known against the newest snapshot."),
		drill:    desc("last_drill_timestamp_seconds", "When a drill was last run."),
		drillOK:  desc("last_drill_ok", "Whether the last drill found nothing."),
		proven:   desc("last_proven_timestamp_seconds", "The instant of the newest state that a drill has proven restorable."),
		jobRun:   desc("job_last_run_timestamp_seconds", "When a periodic job last ended.", "job"),
		jobWell:  desc("job_last_ok_timestamp_seconds", "When a periodic job last ended well.", "job"),
		jobOK:    desc("job_ok", "Whether a periodic job last ended well.", "job"),
		jobTook:  desc("job_duration_seconds", "How long a periodic job last took.", "job"),
		jobRuns:  desc("job_runs_total", "Runs of a periodic job.", "job"),
		jobBad:   desc("job_failures_total", "Runs of a periodic job that failed.", "job"),
	}
}

// Describe implements prometheus.Collector. It names nothing: what there is depends on
// the store.
func (storeMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *storeMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	flag := func(d *prometheus.Desc, v bool, labels ...string) {
		n := 0.0
		if v {
			n = 1
		}
		gauge(d, n, labels...)
	}
	moment := func(d *prometheus.Desc, t *time.Time, labels ...string) {
		if t != nil && !t.IsZero() {
			gauge(d, float64(t.UnixMilli())/1000, labels...)
		}
	}
	h, err := c.s.health(context.Background())
	gauge(c.build, 1, h.Version, h.BuildSHA, h.Go)
	flag(c.up, err == nil)
	for _, j := range h.Jobs {
		moment(c.jobRun, j.LastRun, j.Name)
		moment(c.jobWell, j.LastOK, j.Name)
		if j.OK != nil {
			flag(c.jobOK, *j.OK, j.Name)
		}
		if j.LastRun != nil {
			gauge(c.jobTook, j.Took, j.Name)
		}
		ch <- prometheus.MustNewConstMetric(c.jobRuns, prometheus.CounterValue, float64(j.Runs), j.Name)
		ch <- prometheus.MustNewConstMetric(c.jobBad, prometheus.CounterValue, float64(j.Failures), j.Name)
	}
	if err != nil || h.Schema == 0 {
		return // what is not known is no zero
	}
	for _, status := range []atocore.Status{atocore.Candidate, atocore.Active, atocore.Superseded, atocore.Invalid} {
		gauge(c.memories, float64(h.Counts.Memories[status]), string(status))
	}
	for kind, n := range map[string]int{"project": h.Counts.Projects, "state": h.Counts.State, "document": h.Counts.Documents,
		"chunk": h.Counts.Chunks, "interaction": h.Counts.Interactions} {
		gauge(c.records, float64(n), kind)
	}
	gauge(c.journal, float64(h.Counts.Journal))
	gauge(c.bytes, float64(h.Bytes))
	gauge(c.vectors, float64(h.Counts.Vectors))
	gauge(c.pending, float64(h.Counts.Pending))
	for _, state := range []string{"ok", "none", "mismatch", "pending", "failing"} {
		flag(c.embedder, h.Embedder.State == state, state)
	}
	if h.LastSnapshot != nil {
		moment(c.snapshot, &h.LastSnapshot.Created)
		flag(c.sound, h.LastSnapshot.Sound)
	}
	if h.LastDrill != nil {
		moment(c.drill, &h.LastDrill.At)
		flag(c.drillOK, h.LastDrill.OK)
	}
	moment(c.proven, h.LastProven)
}
