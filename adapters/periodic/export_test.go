package periodic

import "time"

// A Work is what a Runner does its jobs by.
type Work = work

// NewRunner returns a Runner of work, with its state in dir.
func NewRunner(w Work, dir string, o Options) (*Runner, error) { return newRunner(w, dir, o) }

// Next reads a state file and says when the job would run, without jitter.
func Next(text []byte, job Job, s Schedule, done, now time.Time) (time.Time, error) {
	st, err := parseState(text)
	r := &Runner{}
	return r.dueAt(&task{job: job, schedule: s}, st.Jobs[job], past(done, now), now), err
}
