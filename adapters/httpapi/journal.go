package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

type journalInput struct {
	After  int64 `query:"after" minimum:"0" doc:"Only entries after this one."`
	Follow bool  `query:"follow" doc:"Wait for entries to come, until either side ends it."`
}

// stream writes its answer bit by bit.
type stream struct{ Body func(huma.Context) }

const (
	// batchEntries and batchBytes are how much of the journal is in memory at once.
	// Between batches the store is let go of: a client may be slow, and a reader that
	// stays keeps the write-ahead log from being emptied.
	batchEntries = 500
	batchBytes   = 1 << 20
	// followEvery is how often a stream looks for what is new. Other processes write
	// too, so there is nobody to be told by.
	followEvery = 500 * time.Millisecond
	// writeTime is how long a client may take to accept a batch.
	writeTime = 30 * time.Second
)

func (s *server) journalRoute() {
	entry := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[atocore.JournalEntry](), true, "")
	o := operation{route: "GET /journal", id: "journal", tag: "journal", raw: true,
		doc: "The journal as JSON Lines, oldest first: every change, with the record before and after.",
		responses: map[string]*huma.Response{"200": {Description: "JSON Lines: an entry on each line",
			Content: map[string]*huma.MediaType{journalType: {Schema: entry}}}}}
	register(s, o, func(ctx context.Context, in *journalInput) (*stream, error) {
		// The first batch is read before the answer begins, so that what is wrong with
		// the store has a status.
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		lines, last, err := s.batch(ctx, in.After)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return &stream{func(hc huma.Context) { s.stream(hc, lines, last, in.Follow) }}, nil
	})
}

const journalType = "application/jsonl"

// batch reads the entries after one, as lines, and the last one's number; no lines are
// the end.
func (s *server) batch(ctx context.Context, after int64) (lines []byte, last int64, err error) {
	last = after
	n := 0
	for e, err := range s.store.Journal(ctx, after) {
		if err != nil {
			return nil, after, err
		}
		line, err := json.Marshal(e)
		if err != nil {
			return nil, after, err
		}
		lines = append(append(lines, wire.EscapeControls(line)...), '\n')
		last = e.Seq
		if n++; n == batchEntries || len(lines) >= batchBytes {
			break
		}
	}
	return lines, last, nil
}

// stream writes lines and what comes after them.
func (s *server) stream(hc huma.Context, lines []byte, last int64, follow bool) {
	r, w := humago.Unwrap(hc)
	ctx := r.Context()
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", journalType)
	w.WriteHeader(http.StatusOK)
	var tick *time.Ticker
	for {
		if len(lines) > 0 || follow {
			allow(r, control, writeTime)
			if _, err := w.Write(lines); err != nil {
				return // the client is gone
			}
			if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return
			}
		}
		switch {
		case len(lines) > 0: // there may be more
		case !follow:
			return
		default:
			if tick == nil {
				tick = time.NewTicker(followEvery)
				defer tick.Stop()
			}
			select {
			case <-ctx.Done():
				return
			case <-s.o.Closing:
				return
			case <-tick.C:
			}
		}
		reading, cancel := context.WithTimeout(ctx, s.timeout)
		var err error
		lines, last, err = s.batch(reading, last)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				logger(&s.o).LogAttrs(ctx, slog.LevelError, "journal stream", slog.String("request_id", requestID(ctx)), slog.String("error", short(err.Error())))
			}
			panic(http.ErrAbortHandler) // the client must not take it for the end
		}
	}
}

// allow gives the client so long to accept an answer, on servers that have deadlines for
// it: on others a deadline would outlast the request.
func allow(r *http.Request, control *http.ResponseController, d time.Duration) {
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && srv.WriteTimeout > 0 {
		_ = control.SetWriteDeadline(time.Now().Add(d)) // best effort: the server's own stays otherwise
	}
}
