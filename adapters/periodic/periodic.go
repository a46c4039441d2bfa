// Package periodic does a store's upkeep on schedules while a service runs:
// snapshots, their validation and pruning, drills, checkpoints.
//
// Start with [New]; [Runner.Run] works until its context ends, and
// [Runner.Status] says how it went and what comes next.
//
// Nothing runs that has no schedule. One job runs at a time, also where several
// processes do this for the same store: they take turns, and none does again what
// another has just done. What was missed while nothing ran is caught up, once,
// soon after the start. The Runner knows the last snapshot and the last drill from
// the store, whoever took them, and the rest from the file periodic.json in the
// data directory; without that file a job counts as never run.
//
// A job that could not be carried out is tried again after a minute, and then
// after twice as long each time, up to an hour, or its interval where that is
// shorter. One that found faults was carried out: it runs again when its schedule
// wants it, and counts as failed until it finds none. What there is nothing for yet, a
// drill of a store that was never written to and a validation before there is a
// snapshot, waits.
package periodic

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/atocore/atocore"
)

// Options configures New. A nil *Options, like a zero one, runs nothing.
type Options struct {
	Checkpoint, Snapshot, Validate, Prune, Drill Schedule

	// Keep is what Prune keeps. It is required with it.
	Keep atocore.Retention

	// Jitter is by how much a run may be late, at random, as a share of its
	// interval, so that many services do not work at once: up to 1, and never
	// more than 15 minutes. 0 is 0.1, below 0 is none.
	Jitter float64

	// Scratch is where drills restore to, in a directory of their own, which takes
	// twice the store's size. The copy of a drill that found faults stays there until
	// the next. Empty is the directory for temporary files.
	Scratch string

	// OnResult, which may be nil, is told of each run when it has ended, and called
	// by one goroutine.
	OnResult func(Result)

	// Location is the time zone of schedules. Nil is the system's.
	Location *time.Location

	// Logger receives each result. Nil is silent. Content is never logged.
	Logger *slog.Logger

	// Now is the clock, for tests. Nil is time.Now.
	Now func() time.Time
}

// The limits of delays.
const (
	maxJitter  = 15 * time.Minute
	maxCatchUp = 5 * time.Minute // at the start, for what was missed
	minRetry   = time.Minute
	maxRetry   = time.Hour
	look       = time.Minute // how often the clock is looked at: it may be set, and the machine sleep
	turn       = 15 * time.Second
	unready    = 10 * time.Minute // until a look whether there is anything to work on yet
)

// A Runner does the jobs that have a schedule.
type Runner struct {
	work work
	dir  string // of the state
	o    Options
	late float64 // share of the delay that this process has at its start

	mu   sync.Mutex // guards what follows, for Status
	jobs []*task
}

// A task is a job with its schedule.
type task struct {
	job      Job
	schedule Schedule
	rec      record
	next     time.Time
	running  bool
	runs     int
	failures int
}

// New returns a Runner of a store that is open, and of its Backup, which says
// where the snapshots are. It fails with ErrInvalid where an option cannot be.
func New(store *atocore.Store, backup *atocore.Backup, o *Options) (*Runner, error) {
	if store == nil || backup == nil {
		return nil, fmt.Errorf("periodic work: %w", &atocore.InvalidError{Field: "store", Reason: "is not given, or its Backup", Hint: "pass an open store and store.Backup(…)"})
	}
	var opts Options
	if o != nil {
		opts = *o
	}
	return newRunner(&storeWork{store: store, backup: backup, keep: opts.Keep}, store.Dir(), opts)
}

func newRunner(w work, dir string, o Options) (*Runner, error) {
	if !(o.Jitter <= 1) { // a NaN neither
		return nil, fmt.Errorf("periodic work: %w", &atocore.InvalidError{Field: "Jitter", Reason: "is above 1", Hint: "it is a share of the interval"})
	}
	switch {
	case o.Jitter == 0:
		o.Jitter = 0.1
	case o.Jitter < 0:
		o.Jitter = 0
	}
	if !o.Prune.Off() {
		if err := o.Keep.Check(); err != nil {
			return nil, fmt.Errorf("periodic work: %w", &atocore.InvalidError{Field: "Keep", Reason: err.Error(), Hint: "say which snapshots prune has to keep"})
		}
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Runner{work: w, dir: dir, o: o, late: rand.Float64()}
	for _, t := range []task{
		{job: Checkpoint, schedule: o.Checkpoint},
		{job: Snapshot, schedule: o.Snapshot},
		{job: Validate, schedule: o.Validate},
		{job: Prune, schedule: o.Prune},
		{job: Drill, schedule: o.Drill},
	} {
		if !t.schedule.Off() {
			r.jobs = append(r.jobs, &t)
		}
	}
	return r, nil
}

// Run works until ctx ends, which a job that is running is told; then it waits
// for that job, and returns. It starts no goroutine. What a job that was cut off
// would have done is caught up after the next start.
func (r *Runner) Run(ctx context.Context) {
	r.begin(ctx)
	for ctx.Err() == nil {
		now := r.now()
		t, wait := r.due(now)
		if t == nil {
			sleep(ctx, wait)
			continue
		}
		r.turn(ctx, t)
	}
}

// now is the clock on the wall: the monotonic one stands still while a machine
// sleeps.
func (r *Runner) now() time.Time { return r.o.Now().Round(0).In(r.o.Location) }

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// begin plans every job. All that are overdue wait alike, so that they run in
// their order.
func (r *Runner) begin(ctx context.Context) {
	st, err := readState(r.dir)
	if err != nil {
		r.o.Logger.WarnContext(ctx, "what is known of periodic work cannot be read: it counts as never done", "error", err)
	}
	now := r.now()
	var longest time.Duration
	for _, t := range r.jobs {
		longest = max(longest, t.schedule.Interval())
	}
	caughtUp := now.Add(time.Duration(r.late * float64(min(maxCatchUp, r.span(longest)))))
	for _, t := range r.jobs {
		rec := st.Jobs[t.job]
		due := r.dueAt(t, rec, r.lastDone(ctx, t, rec, now), now)
		r.mu.Lock()
		t.rec = rec
		if t.next = caughtUp; due.After(now) {
			t.next = due.Add(r.jitter(t))
		}
		r.mu.Unlock()
		r.o.Logger.InfoContext(ctx, "periodic work", "job", t.job, "every", t.schedule.String(), "next", t.next)
	}
}

// due is the job to run now, or else how long to wait for one.
func (r *Runner) due(now time.Time) (*task, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := look
	for _, t := range r.jobs {
		// The hour is for a clock that is put back in autumn.
		if t.next.Sub(now) > t.schedule.Interval()+r.span(t.schedule.Interval())+time.Hour {
			t.next = t.schedule.After(now) // the clock was set back
		}
		if !t.next.After(now) {
			return t, 0
		}
		wait = min(wait, t.next.Sub(now))
	}
	return nil, wait
}

// lastDone is when the job was last carried out, by the store's word or else by
// the file's.
func (r *Runner) lastDone(ctx context.Context, t *task, rec record, now time.Time) time.Time {
	done := rec.Done
	at, knows, err := r.work.Known(ctx, t.job)
	switch {
	case err != nil && ctx.Err() == nil:
		r.o.Logger.WarnContext(ctx, "the store does not say when periodic work was last done", "job", t.job, "error", err)
	case err == nil && knows:
		done = at
	}
	return past(done, now)
}

// past is t, or never where a clock that was ahead has written it: it would put
// off everything until then.
func past(t, now time.Time) time.Time {
	if t.After(now) {
		return time.Time{}
	}
	return t.In(now.Location())
}

// dueAt is when the job wants to run, without any jitter; not after now where it is
// overdue.
func (r *Runner) dueAt(t *task, rec record, done, now time.Time) time.Time {
	due := now
	if !done.IsZero() {
		due = t.schedule.After(done)
	}
	if rec.Failing == 0 || due.After(now) {
		return due
	}
	tried := rec.Ended
	if tried.IsZero() {
		tried = rec.Began // and the process died of it, maybe
	}
	wait := backoff(rec.Failing, t.schedule.Interval())
	if again := past(tried, now).Add(wait); again.After(due) {
		return again
	}
	return due
}

// backoff is how long to wait after so many failures in a row.
func backoff(failing int, interval time.Duration) time.Duration {
	wait := minRetry << min(failing-1, 10)
	return min(wait, maxRetry, interval)
}

// span is how late a run of a job may be.
func (r *Runner) span(interval time.Duration) time.Duration {
	return min(maxJitter, time.Duration(r.o.Jitter*float64(interval)))
}

func (r *Runner) jitter(t *task) time.Duration {
	return time.Duration(rand.Float64() * float64(r.span(t.schedule.Interval())))
}

// turn runs a job that is due, unless another process is at work, or has done it.
func (r *Runner) turn(ctx context.Context, t *task) {
	release, ok, err := r.work.Lease()
	if err != nil {
		r.notLeased(ctx, t, err)
		return
	}
	if !ok {
		r.set(func() { t.next = r.now().Add(turn) })
		return
	}
	defer func() {
		if err := release(); err != nil {
			r.o.Logger.WarnContext(ctx, "the lease of periodic work was not given back", "error", err)
		}
	}()

	st, err := readState(r.dir)
	if err != nil {
		r.o.Logger.WarnContext(ctx, "what is known of periodic work cannot be read: it counts as never done", "error", err)
		// What this process knows is better.
		for _, t := range r.jobs {
			st.Jobs[t.job] = t.rec
		}
	}
	rec, now := st.Jobs[t.job], r.now()
	if rec.Began.Before(t.rec.Began) {
		rec = t.rec // it could not be written
	}
	done := r.lastDone(ctx, t, rec, now)
	if ctx.Err() != nil {
		return
	}
	if due := r.dueAt(t, rec, done, now); due.After(now) {
		r.set(func() { t.rec, t.next = rec, due.Add(r.jitter(t)) })
		return
	}
	// An error is what the job itself will fail with.
	if ready, err := r.work.Ready(ctx, t.job); err == nil && !ready {
		r.set(func() { t.rec, t.next = rec, now.Add(min(unready, t.schedule.Interval())) })
		r.o.Logger.InfoContext(ctx, "there is nothing for periodic work yet", "job", t.job)
		return
	}
	if ctx.Err() != nil {
		return
	}
	r.attempt(ctx, t, st, rec)
}

// notLeased counts as an attempt, of which only this process knows.
func (r *Runner) notLeased(ctx context.Context, t *task, err error) {
	now := r.now()
	result := Result{Job: t.job, BeganAt: now, EndedAt: now, Error: err.Error()}
	r.ended(ctx, t, result, t.rec)
	r.tell(result)
}

func (r *Runner) tell(result Result) {
	if r.o.OnResult != nil {
		r.o.OnResult(result)
	}
}

// attempt runs the job. That it began is written first, so that a job which takes the
// process with it is not begun again at once.
func (r *Runner) attempt(ctx context.Context, t *task, st state, before record) {
	began := r.now()
	begun := before
	begun.Began, begun.Ended, begun.Failing = began, time.Time{}, before.Failing+1
	begun.Error = "was interrupted"
	st.Jobs[t.job] = begun
	scratch, err := r.prepare(ctx, t, &st)
	r.write(ctx, st)
	r.set(func() { t.running, t.rec.Began, t.rec.Ended = true, began, time.Time{} })

	var result Result
	if err == nil {
		result, err = r.work.Do(ctx, t.job, scratch)
	}
	result.Job, result.BeganAt, result.EndedAt = t.job, began, r.now()
	if err != nil && ctx.Err() != nil {
		// The service ends: neither done nor failed.
		st.Jobs[t.job] = before
		r.removeScratch(ctx, &st)
		r.write(ctx, st)
		r.set(func() { t.running, t.rec = false, before })
		r.o.Logger.InfoContext(ctx, "periodic work was cut off by the end of the service", "job", t.job)
		return
	}
	if err != nil {
		result.Error = err.Error()
	}
	result.OK = err == nil && result.Findings == 0
	rec := r.ended(ctx, t, result, before)
	st.Jobs[t.job] = rec
	if result.Findings == 0 {
		r.removeScratch(ctx, &st)
	}
	r.write(ctx, st)
	r.tell(result)
}

// prepare makes a drill's scratch directory, in the place of that which the last
// one has left.
func (r *Runner) prepare(ctx context.Context, t *task, st *state) (string, error) {
	if t.job != Drill {
		return "", nil
	}
	r.removeScratch(ctx, st)
	if err := st.makeScratch(r.o.Scratch); err != nil {
		return "", fmt.Errorf("make a scratch directory for the drill: %w", err)
	}
	return st.Scratch, nil
}

func (r *Runner) removeScratch(ctx context.Context, st *state) {
	if err := st.removeScratch(); err != nil {
		r.o.Logger.WarnContext(ctx, "what a drill has left is not removed", "error", err)
	}
}

// ended notes a result and plans the next run.
func (r *Runner) ended(ctx context.Context, t *task, result Result, before record) record {
	rec := before
	rec.Began, rec.Ended, rec.Error, rec.Result = result.BeganAt, result.EndedAt, result.Error, &result
	switch {
	case result.Error != "":
		rec.Failing++
	case result.OK:
		rec.Done, rec.LastOK, rec.Failing, rec.Faults = result.BeganAt, result.EndedAt, 0, 0
	default:
		rec.Done, rec.Failing = result.BeganAt, 0
		rec.Faults++
		rec.Error = result.String()
	}
	now := r.now()
	done := rec.Done
	if result.Error != "" {
		done = time.Time{} // it is overdue
	}
	next := r.dueAt(t, rec, done, now)
	if result.Error == "" {
		next = next.Add(r.jitter(t))
	}
	r.set(func() {
		t.rec, t.next, t.running = rec, next, false
		t.runs++
		if !result.OK {
			t.failures++
		}
	})
	attrs := []any{"job", t.job, "seconds", result.EndedAt.Sub(result.BeganAt).Seconds(), "next", next}
	if result.Stamp != "" {
		attrs = append(attrs, "stamp", result.Stamp)
	}
	if result.OK {
		r.o.Logger.InfoContext(ctx, "periodic work is done", attrs...)
	} else {
		r.o.Logger.ErrorContext(ctx, "periodic work has failed", append(attrs, "error", rec.Error, "failing", rec.Failing+rec.Faults)...)
	}
	return rec
}

// write writes the state, without which the work goes on.
func (r *Runner) write(ctx context.Context, st state) {
	if err := st.write(r.dir); err != nil {
		r.o.Logger.WarnContext(ctx, "what is known of periodic work is not written: after a restart it counts as never done", "error", err)
	}
}

func (r *Runner) set(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
}
