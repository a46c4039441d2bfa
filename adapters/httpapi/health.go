package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

// Health is the document of /health.
type Health struct {
	Status    string `json:"status" enum:"ok,busy,unusable" doc:"Whether the store can be used. busy: others have all of its connections, and counts are left out."`
	Code      string `json:"code,omitempty" doc:"Why it is not ok, as in a problem."`
	Detail    string `json:"detail,omitempty"`
	Version   string `json:"version"`
	BuildSHA  string `json:"build_sha" doc:"The revision that the program was built from."`
	BuildTime string `json:"build_time"`
	Go        string `json:"go"`

	Uptime float64      `json:"uptime_s" doc:"Since when the handler is there, in seconds."`
	Schema int          `json:"schema" doc:"Version of the store's schema."`
	Bytes  int64        `json:"bytes" doc:"Of the database, its log included."`
	Counts HealthCounts `json:"counts"`

	Embedder     HealthEmbedder  `json:"embedder"`
	LastSnapshot *HealthSnapshot `json:"last_snapshot" doc:"The newest snapshot; null is none."`
	LastDrill    *HealthDrill    `json:"last_drill" doc:"The last drill; null is none."`
	LastProven   *time.Time      `json:"last_proven" doc:"The instant of the newest state that a drill has proven restorable; null is never."`
	Jobs         []JobStatus     `json:"jobs" doc:"Periodic jobs."`
	Notes        []string        `json:"notes,omitempty" doc:"What could not be found out."`
}

// HealthCounts counts what the store holds.
type HealthCounts struct {
	Memories     map[atocore.Status]int `json:"memories" doc:"By status."`
	Projects     int                    `json:"projects"`
	State        int                    `json:"state"`
	Documents    int                    `json:"documents"`
	Chunks       int                    `json:"chunks"`
	Interactions int                    `json:"interactions"`
	Journal      int64                  `json:"journal" doc:"The last entry's number."`
	Vectors      int                    `json:"vectors"`
	Pending      int                    `json:"pending" doc:"Texts that wait for their vectors."`
	Spooled      int                    `json:"spooled" doc:"Interactions of hooks that wait to be taken in."`
}

// HealthEmbedder says what makes vectors, and how that goes.
type HealthEmbedder struct {
	Name       string `json:"name,omitempty"`
	Dimensions int    `json:"dimensions,omitempty"`
	State      string `json:"state" enum:"ok,none,mismatch,pending,failing,unknown" doc:"none: texts are found by their words alone. mismatch: the store's vectors are another embedder's. pending: texts wait for their vectors. failing: they do because the embedder fails."`
	Pending    int    `json:"pending"`
}

// HealthSnapshot is what is known of the newest snapshot.
type HealthSnapshot struct {
	Stamp   string     `json:"stamp"`
	Created time.Time  `json:"created,omitzero"`
	Sound   bool       `json:"sound" doc:"Nothing is known against it."`
	Checked *time.Time `json:"checked" doc:"When it was last validated; null is never."`
}

// HealthDrill is how the last drill went.
type HealthDrill struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
}

// healthTime bounds an answer: who watches a service does not wait for long either.
const healthTime = 3 * time.Second

type healthOut struct {
	Status int
	Body   Health
}

func (s *server) healthRoute() {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Health](), true, "")
	o := operation{route: "GET /health", id: "health", tag: "service", public: true, doc: "Whether the store can be used, and how the service is doing.",
		responses: map[string]*huma.Response{"503": {Description: "The store cannot be used", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}}}
	register(s, o, func(ctx context.Context, _ *struct{}) (*healthOut, error) {
		answer := &healthOut{Status: http.StatusOK}
		var err error
		if answer.Body, err = s.health(ctx); err != nil {
			requestOf(ctx).cause = err
			answer.Status = http.StatusServiceUnavailable
		}
		return answer, nil
	})
}

// health looks at the store. Its error is why the store cannot be used; what else cannot
// be found out is a note.
func (s *server) health(ctx context.Context) (Health, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	h := Health{
		Status: "ok", Version: s.o.Build.Version, BuildSHA: s.o.Build.Revision, BuildTime: s.o.Build.Time, Go: runtime.Version(),
		Uptime: time.Since(s.began).Seconds(), Counts: HealthCounts{Memories: map[atocore.Status]int{}},
		Embedder: HealthEmbedder{State: "unknown"}, Jobs: []JobStatus{},
	}
	if s.o.Jobs != nil {
		if jobs := s.o.Jobs(); jobs != nil {
			h.Jobs = jobs
		}
	}
	if err := s.store.Ready(ctx); errors.Is(err, atocore.ErrBusy) {
		h.Status, h.Code, h.Detail = "busy", classify(err).code, "Others have all connections of the store"
		return h, nil
	} else if err != nil {
		c := classify(err)
		h.Status, h.Code, h.Detail = "unusable", c.code, c.title
		if errors.Is(err, atocore.ErrNotFound) {
			h.Detail = "The database's file is gone"
		}
		return h, err
	}
	if st, err := s.store.Stats(ctx); err != nil {
		h.Notes = append(h.Notes, "counting failed: "+classify(err).title)
	} else {
		h.count(st)
		h.Embedder = s.embedder(st)
	}
	if list, err := s.backup.List(ctx); err != nil {
		h.Notes = append(h.Notes, "listing snapshots failed: "+classify(err).title)
	} else {
		h.LastSnapshot = newest(list)
	}
	return h, nil
}

// newest is the newest snapshot that no restore has taken.
func newest(list []atocore.Snapshot) *HealthSnapshot {
	for _, snap := range list {
		if d := wire.SnapshotOf(snap); d.Origin != "pre-restore" {
			return &HealthSnapshot{d.Stamp, d.Created, d.Sound, d.Checked}
		}
	}
	return nil
}

func (h *Health) count(st atocore.Stats) {
	h.Schema, h.Bytes, h.LastProven = st.Schema, st.Bytes, st.LastProven
	h.Counts = HealthCounts{
		Memories: st.Memories, Projects: st.Projects, State: st.State, Documents: st.Documents, Chunks: st.Chunks,
		Interactions: st.Interactions, Journal: st.Journal, Vectors: st.Vectors, Pending: st.Pending, Spooled: st.Spooled,
	}
	if st.LastDrill != nil {
		h.LastDrill = &HealthDrill{*st.LastDrill, st.LastDrillOK}
	}
}

func (s *server) embedder(st atocore.Stats) HealthEmbedder {
	e := HealthEmbedder{Pending: st.Pending, State: "ok"}
	if st.Embedder != nil {
		e.Name, e.Dimensions = st.Embedder.Name, st.Embedder.Dimensions
	}
	switch {
	case s.o.EmbedderError != nil && s.o.EmbedderError() != nil:
		e.State = "failing"
	case st.Embedder == nil:
		e.State = "none"
	case st.Space != nil && *st.Space != *st.Embedder:
		e.State = "mismatch"
	case st.Pending > 0:
		e.State = "pending"
	}
	return e
}
