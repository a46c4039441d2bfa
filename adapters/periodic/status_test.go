package periodic_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atocore/atocore/adapters/periodic"
)

// While a job runs, and where the process has died of it, the run before is not forgotten.
func TestStatusOfLastRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		b.takes = 10 * minute
		o := periodic.Options{Jitter: noJitter, Validate: schedule(t, "1h")}
		ctx, cancel := context.WithCancel(context.Background())
		r := begin(t, b, dir, o)
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		time.Sleep(65 * minute)
		ended := b.start.Add(10 * minute)
		if s := r.Status()[0]; !s.Running || !s.LastEnded.Equal(ended) || !s.OK || !s.LastBegan.Equal(b.start.Add(hour)) {
			t.Errorf("while the second runs: %+v", s)
		}
		died, err := os.ReadFile(filepath.Join(dir, "periodic.json"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-done
		if err := os.WriteFile(filepath.Join(dir, "periodic.json"), died, 0o600); err != nil {
			t.Fatal(err)
		}
		o.Now = func() time.Time { return time.Now().Add(-5*minute + time.Second) } // when it has just died
		if s := serve(t, b, dir, o, time.Second).Status()[0]; !s.LastEnded.Equal(ended) || s.OK || s.LastError == "" {
			t.Errorf("after a death: %+v", s)
		}
	})
}
