package periodic_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/periodic"
)

// A bench is work that takes the time and has the outcome that a test says. Several
// Runners may share it, as processes share a store.
type bench struct {
	t     testing.TB
	start time.Time

	mu      sync.Mutex
	taken   bool // the lease
	runs    []run
	takes   time.Duration
	outcome func(job periodic.Job, n int) (periodic.Result, error) // n counts the job's runs, from 1
	known   map[periodic.Job]time.Time
	leasing error
	unready map[periodic.Job]bool
}

type run struct {
	job     periodic.Job
	at      time.Duration // since the start
	scratch string
}

func newBench(t testing.TB) *bench {
	return &bench{t: t, start: time.Now(), takes: time.Second, known: map[periodic.Job]time.Time{}}
}

func (b *bench) Lease() (func() error, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leasing != nil {
		return nil, false, b.leasing
	}
	if b.taken {
		return nil, false, nil
	}
	b.taken = true
	return func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.taken = false
		return nil
	}, true, nil
}

func (b *bench) Known(_ context.Context, job periodic.Job) (time.Time, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.known[job]
	return at, ok, nil
}

func (b *bench) Ready(_ context.Context, job periodic.Job) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.unready[job], nil
}

func (b *bench) Do(ctx context.Context, job periodic.Job, scratch string) (periodic.Result, error) {
	b.mu.Lock()
	if !b.taken {
		b.t.Error("work without the lease")
	}
	n := 1
	for _, r := range b.runs {
		if r.job == job {
			n++
		}
	}
	b.runs = append(b.runs, run{job, time.Since(b.start), scratch})
	takes, outcome := b.takes, b.outcome
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		return periodic.Result{}, ctx.Err()
	case <-time.After(takes):
	}
	if outcome == nil {
		return periodic.Result{}, nil
	}
	return outcome(job, n)
}

// times are when the job ran, since the start.
func (b *bench) times(job periodic.Job) (at []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.runs {
		if r.job == job {
			at = append(at, r.at.Round(time.Second))
		}
	}
	return at
}

// serve has a Runner run for a while, and returns it as it is at the end.
func serve(t testing.TB, w periodic.Work, dir string, o periodic.Options, d time.Duration) *periodic.Runner {
	t.Helper()
	r := begin(t, w, dir, o)
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	r.Run(ctx)
	return r
}

func begin(t testing.TB, w periodic.Work, dir string, o periodic.Options) *periodic.Runner {
	t.Helper()
	r, err := periodic.NewRunner(w, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const noJitter = -1

func want(t *testing.T, what string, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const (
	minute = time.Minute
	hour   = time.Hour
)

func TestIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := serve(t, b, t.TempDir(), periodic.Options{Jitter: noJitter, Snapshot: schedule(t, "1h"), Checkpoint: schedule(t, "25m")}, 3*hour+minute)
		want(t, "snapshots", b.times(periodic.Snapshot), time.Second, hour+time.Second, 2*hour+time.Second, 3*hour+time.Second)
		if n := len(b.times(periodic.Checkpoint)); n != 8 {
			t.Errorf("%d checkpoints, want 8", n)
		}
		if n := len(b.times(periodic.Drill)); n != 0 {
			t.Errorf("%d drills, which have no schedule", n)
		}
		for _, s := range r.Status() {
			if s.Running || !s.OK || s.Failing != 0 || s.Failures != 0 || s.Runs == 0 || !s.Next.After(s.LastEnded) {
				t.Errorf("status %+v", s)
			}
		}
	})
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time begins at midnight UTC, on Saturday
		b := newBench(t)
		b.known[periodic.Drill] = b.start
		serve(t, b, t.TempDir(), periodic.Options{Jitter: noJitter, Location: time.UTC, Drill: schedule(t, "sunday 04:50")}, 10*24*hour)
		want(t, "drills", b.times(periodic.Drill), 28*hour+50*minute, 196*hour+50*minute)
	})
}

// One job at a time, in their order where several are due.
func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.takes = 10 * minute
		o := periodic.Options{
			Jitter: noJitter, Keep: atocore.Retention{KeepLast: 1},
			Checkpoint: schedule(t, "1d"), Snapshot: schedule(t, "1d"), Validate: schedule(t, "1d"), Prune: schedule(t, "1d"), Drill: schedule(t, "1d"),
		}
		serve(t, b, t.TempDir(), o, 2*hour)
		var got []string
		for _, r := range b.runs {
			got = append(got, fmt.Sprint(r.job, " ", r.at))
		}
		if diff := cmp.Diff([]string{"checkpoint 0s", "snapshot 10m0s", "validate 20m0s", "prune 30m0s", "drill 40m0s"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// What was missed is done once after a restart, what was not is not.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		o := periodic.Options{Jitter: noJitter, Validate: schedule(t, "1h"), Prune: schedule(t, "1d"), Keep: atocore.Retention{KeepLast: 1}}
		serve(t, b, dir, o, 90*minute) // validates at 0 and 1h, prunes after the first
		time.Sleep(10 * hour)
		serve(t, b, dir, o, 90*minute)
		want(t, "validations", b.times(periodic.Validate), 0, hour, 690*minute, 750*minute)
		want(t, "prunes", b.times(periodic.Prune), time.Second)

		if err := os.WriteFile(filepath.Join(dir, "periodic.json"), []byte(`{"version":1,"jobs":{"validate"`), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		serve(t, b, dir, o, minute)
		if n := len(b.times(periodic.Prune)); n != 2 {
			t.Errorf("a corrupt file: pruned %d times, want once more", n)
		}
		if !strings.Contains(log.String(), "counts as never done") {
			t.Errorf("a corrupt file goes without a word:\n%s", &log)
		}
	})
}

// A file that is spoilt while the service runs is made good from what it knows.
func TestSpoilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		o := periodic.Options{Jitter: noJitter, Validate: schedule(t, "1h"), Prune: schedule(t, "1d"), Keep: atocore.Retention{KeepLast: 1}}
		spoil := o
		spoil.OnResult = func(r periodic.Result) {
			if r.Job != periodic.Prune {
				return
			}
			if err := os.WriteFile(filepath.Join(dir, "periodic.json"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
		serve(t, b, dir, spoil, 90*minute)
		serve(t, b, dir, o, hour)
		want(t, "prunes", b.times(periodic.Prune), time.Second)
	})
}

// The store's word counts, not the file's.
func TestKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.known[periodic.Snapshot] = time.Now().Add(-20 * minute) // by hand
		b.known[periodic.Drill] = time.Time{}                     // never
		serve(t, b, t.TempDir(), periodic.Options{Jitter: noJitter, Snapshot: schedule(t, "1h"), Drill: schedule(t, "1d")}, 45*minute)
		want(t, "snapshots", b.times(periodic.Snapshot), 40*minute)
		want(t, "drills", b.times(periodic.Drill)[:1], 0)
	})
}

func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := map[time.Duration]bool{}
		for range 20 {
			b := newBench(t)
			serve(t, b, t.TempDir(), periodic.Options{Jitter: 0.5, Checkpoint: schedule(t, "10m"), Validate: schedule(t, "20m")}, 5*hour)
			at, validated := b.times(periodic.Checkpoint), b.times(periodic.Validate)
			if at[0] > 5*minute {
				t.Errorf("caught up after %v", at[0])
			}
			if validated[0]-at[0] > 2*time.Second {
				t.Errorf("what is caught up comes at %v and %v, not one after the other", at[0], validated[0])
			}
			starts[at[0]] = true
			late := 0
			for i := range len(at) - 1 {
				gap := at[i+1] - at[i]
				if gap < 10*minute || gap > 15*minute+3*time.Second {
					t.Errorf("a gap of %v", gap)
				}
				if gap > 11*minute {
					late++
				}
			}
			if late < 3 {
				t.Errorf("next to none is late: %v", at)
			}
		}
		if len(starts) < 5 {
			t.Errorf("20 services begin at %v", starts)
		}
	})
}

// A failing job comes again sooner than it is due, ever later, until it is done.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		b.takes = 0
		b.outcome = func(_ periodic.Job, n int) (periodic.Result, error) {
			if n <= 9 {
				return periodic.Result{}, errors.New("the disk is full")
			}
			return periodic.Result{Stamp: "20260409T131321Z"}, nil
		}
		var results []periodic.Result
		var log bytes.Buffer
		o := periodic.Options{
			Jitter: noJitter, Snapshot: schedule(t, "1d"), OnResult: func(r periodic.Result) { results = append(results, r) },
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		r := serve(t, b, dir, o, 10*minute)
		s := r.Status()[0]
		if s.OK || s.LastError != "the disk is full" || s.Failing != 4 || s.Failures != 4 || s.Next.Sub(b.start) != 15*minute {
			t.Errorf("status %+v", s)
		}
		r = serve(t, b, dir, o, 7*hour) // a restart does not begin anew
		want(t, "attempts", b.times(periodic.Snapshot), 0, minute, 3*minute, 7*minute, 15*minute, 31*minute, 63*minute, 123*minute, 183*minute, 243*minute)
		s = r.Status()[0]
		if !s.OK || s.LastError != "" || s.Failing != 0 || s.LastResult == nil || s.LastResult.Stamp == "" {
			t.Errorf("status %+v", s)
		}
		if len(results) != 10 || results[8].Error == "" || results[8].OK || !results[9].OK {
			t.Errorf("results %+v", results)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 9 {
			t.Errorf("%d errors in the log, want 9:\n%s", n, &log)
		}
	})
}

// Faults stay faults: the schedule goes on, and the failure is reported until
// there are none.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		b.outcome = func(_ periodic.Job, n int) (periodic.Result, error) {
			if n <= 2 {
				return periodic.Result{Findings: 2, Codes: []string{"file_hash", "digest"}}, nil
			}
			return periodic.Result{}, nil
		}
		o := periodic.Options{Jitter: noJitter, Validate: schedule(t, "1h")}
		for i, failing := range []int{1, 2, 0} {
			s := serve(t, b, dir, o, 55*minute).Status()[0]
			if s.Failing != failing || s.OK != (failing == 0) || strings.Contains(s.LastError, "file_hash") != (failing > 0) {
				t.Errorf("after hour %d: status %+v", i+1, s)
			}
		}
		want(t, "validations", b.times(periodic.Validate), 0, hour, 2*hour)
	})
}

// Several processes serve one store.
func TestProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		b.takes = 5 * minute
		var all sync.WaitGroup
		ctx, cancel := context.WithTimeout(context.Background(), 10*hour)
		defer cancel()
		for range 4 {
			r := begin(t, b, dir, periodic.Options{Validate: schedule(t, "1h"), Drill: schedule(t, "1h")})
			all.Go(func() { r.Run(ctx) })
		}
		all.Wait()
		for _, job := range []periodic.Job{periodic.Validate, periodic.Drill} {
			at := b.times(job)
			if len(at) < 9 || len(at) > 10 {
				t.Errorf("%s ran %d times in ten hours", job, len(at))
			}
			for i := range len(at) - 1 {
				if gap := at[i+1] - at[i]; gap < hour {
					t.Errorf("%s ran again after %v", job, gap)
				}
			}
		}
	})
}

// A job that is cut off by the end of the service is neither done nor failed; one
// that takes the process with it comes again, later each time.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		b.takes = 10 * minute
		o := periodic.Options{Jitter: noJitter, Drill: schedule(t, "1d"), Scratch: t.TempDir()}
		ctx, cancel := context.WithCancel(context.Background())
		r := begin(t, b, dir, o)
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		time.Sleep(minute)
		if s := r.Status()[0]; !s.Running || s.LastBegan.IsZero() || !s.LastEnded.IsZero() {
			t.Errorf("while it runs: %+v", s)
		}
		died, err := os.ReadFile(filepath.Join(dir, "periodic.json"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Fatal("Run goes on after its context has ended")
		}
		if s := r.Status()[0]; s.Running || s.Failing != 0 || s.Runs != 0 {
			t.Errorf("cut off: %+v", s)
		}
		if left, err := os.ReadDir(o.Scratch); len(left) > 0 || err != nil {
			t.Errorf("left in the scratch directory: %v, %v", left, err)
		}
		serve(t, b, dir, o, hour)
		want(t, "drills", b.times(periodic.Drill), 0, minute)

		// As if the process had died a minute after the beginning.
		if err := os.WriteFile(filepath.Join(dir, "periodic.json"), died, 0o600); err != nil {
			t.Fatal(err)
		}
		b.start, b.runs = time.Now(), nil
		later := o
		later.Now = func() time.Time { return time.Now().Add(-61 * minute) }
		if s := begin(t, b, dir, later).Status()[0]; s.Failing != 0 {
			t.Errorf("before Run: %+v", s)
		}
		r = serve(t, b, dir, later, 30*time.Second)
		if s := r.Status()[0]; s.Failing != 1 || !strings.Contains(s.LastError, "interrupted") || len(b.runs) != 0 {
			t.Errorf("after a death: %+v, %d runs", s, len(b.runs))
		}
		serve(t, b, dir, later, 30*minute)
		if len(b.runs) != 1 {
			t.Errorf("after a death and a minute: %d runs, want 1", len(b.runs))
		}
	})
}

// The clock is set forward, and back.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		var mu sync.Mutex
		var off time.Duration
		jump := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); off += d }
		o := periodic.Options{Jitter: noJitter, Validate: schedule(t, "1h"), Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(off)
		}}
		r := begin(t, b, dir, o)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		time.Sleep(30 * minute) // ran at 0
		jump(5 * hour)
		time.Sleep(2 * minute)
		if at := b.times(periodic.Validate); len(at) != 2 {
			t.Fatalf("ran at %v, want once more within a minute of the jump", at)
		}
		jump(-48 * hour)
		time.Sleep(70 * minute)
		if at := b.times(periodic.Validate); len(at) != 3 {
			t.Errorf("ran at %v, want once more an hour after the clock was set back", at)
		}
		cancel()
		<-done
		// What the file says is two days ahead.
		n := len(b.times(periodic.Validate))
		serve(t, b, dir, o, 125*minute)
		if got := len(b.times(periodic.Validate)) - n; got < 1 || got > 2 {
			t.Errorf("ran %d times in two hours after a restart with the clock set back", got)
		}
	})
}

// The copy that a drill with faults leaves is there until the next drill, and no
// longer; what the state file names otherwise is not touched.
func TestScratch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		o := periodic.Options{Jitter: noJitter, Drill: schedule(t, "1d"), Scratch: t.TempDir()}
		left := func() int {
			list, err := os.ReadDir(o.Scratch)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		faults := 2
		b.outcome = func(_ periodic.Job, n int) (periodic.Result, error) {
			if err := os.WriteFile(filepath.Join(b.runs[n-1].scratch, "copy"), nil, 0o600); err != nil {
				t.Error(err)
			}
			if left() != 1 {
				t.Errorf("%d copies while a drill runs", left())
			}
			if n <= faults {
				return periodic.Result{Findings: 1, Codes: []string{"drill_digest"}}, nil
			}
			return periodic.Result{}, nil
		}
		for i, want := range []int{1, 1, 0} {
			serve(t, b, dir, o, 23*hour)
			if got := left(); got != want {
				t.Errorf("after drill %d: %d copies, want %d", i+1, got, want)
			}
		}
		precious := filepath.Join(t.TempDir(), "precious")
		if err := os.MkdirAll(filepath.Join(precious, "things"), 0o700); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(t.TempDir(), "atocore-periodic-1")
		if err := os.Symlink(precious, link); err != nil {
			t.Skip(err)
		}
		for _, name := range []string{precious, link} {
			if err := os.WriteFile(filepath.Join(dir, "periodic.json"), fmt.Appendf(nil, `{"version":1,"scratch":%q}`, name), 0o600); err != nil {
				t.Fatal(err)
			}
			serve(t, b, dir, o, hour)
			if _, err := os.Stat(filepath.Join(precious, "things")); err != nil {
				t.Errorf("scratch %s: %v", name, err)
			}
		}
	})
}

// Where the lease or the file is not to be had, the work is reported or goes on.
func TestNoLeaseNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.leasing = errors.New("read-only")
		results := 0
		o := periodic.Options{Jitter: noJitter, Validate: schedule(t, "1h"), OnResult: func(periodic.Result) { results++ }}
		s := serve(t, b, t.TempDir(), o, 2*minute).Status()[0]
		if s.Failing != 2 || s.LastError != "read-only" || results != 2 {
			t.Errorf("without a lease: %+v, %d results", s, results)
		}
		b.leasing = nil
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "periodic.json.tmp"), 0o700); err != nil {
			t.Fatal(err)
		}
		serve(t, b, dir, o, 150*minute)
		if n := len(b.times(periodic.Validate)); n != 3 {
			t.Errorf("with a file that cannot be written it ran %d times, want 3", n)
		}
		b.runs, b.start, b.takes = nil, time.Now(), 0
		b.outcome = func(periodic.Job, int) (periodic.Result, error) {
			return periodic.Result{}, errors.New("the disk is full")
		}
		serve(t, b, dir, o, 10*minute)
		want(t, "with a file that cannot be written, attempts", b.times(periodic.Validate), 0, minute, 3*minute, 7*minute)
	})
}

// Where there is nothing to work on, that is no failure, and is looked at again soon.
func TestUnready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, dir := newBench(t), t.TempDir()
		b.unready = map[periodic.Job]bool{periodic.Drill: true}
		o := periodic.Options{Jitter: noJitter, Drill: schedule(t, "7d")}
		s := serve(t, b, dir, o, 65*minute).Status()[0]
		if s.Failing != 0 || s.Failures != 0 || s.Runs != 0 || s.Next.Sub(b.start) != 70*minute {
			t.Errorf("status %+v", s)
		}
		b.unready = nil
		serve(t, b, dir, o, hour)
		want(t, "drills", b.times(periodic.Drill), 65*minute)
	})
}

func TestOptions(t *testing.T) {
	var zero float64
	for name, o := range map[string]periodic.Options{
		"prune without rules": {Prune: schedule(t, "1d")},
		"negative rules":      {Prune: schedule(t, "1d"), Keep: atocore.Retention{KeepLast: -1}},
		"jitter above 1":      {Jitter: 1.5},
		"jitter NaN":          {Jitter: zero / zero},
	} {
		if _, err := periodic.NewRunner(newBench(t), t.TempDir(), o); !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := periodic.New(nil, nil, nil); !errors.Is(err, atocore.ErrInvalid) {
		t.Error(err)
	}
	r := begin(t, newBench(t), t.TempDir(), periodic.Options{})
	if s := r.Status(); s == nil || len(s) != 0 {
		t.Errorf("status of nothing: %v", s)
	}
}
