package periodic_test

import (
	"testing"
	"time"

	"github.com/atocore/atocore/adapters/periodic"
)

// FuzzState has whatever a state file may hold: the next run is never further away
// than an interval.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"jobs":{"validate":{"began":"2026-03-01T00:00:00Z","failing":3}}}`), int64(0))
	f.Add([]byte(`{"version":1,"jobs":{"validate":{"began":"9999-03-01T00:00:00Z","ended":"9999-03-01T00:00:00Z","failing":9223372036854775807}}}`), int64(1e9))
	f.Add([]byte(`{"version":1,"jobs":{"validate":{"began":"2026-02-28T00:00:00Z","failing":-3}}}`), int64(0))
	f.Add([]byte(`{"version":1,"jobs":null}`), int64(-1))
	f.Add([]byte(`[]`), int64(5))
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text []byte, done int64) {
		for _, s := range []string{"1h", "1d", "sunday 04:50"} {
			sched := schedule(t, s)
			next, err := periodic.Next(text, periodic.Validate, sched, time.Unix(done, 0).UTC(), now)
			if next.Sub(now) > sched.Interval() {
				t.Errorf("%s: next at %v (%v)", s, next, err)
			}
		}
	})
}
