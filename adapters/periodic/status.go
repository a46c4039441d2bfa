package periodic

import "time"

// A JobStatus is what is known of a job that has a schedule. What it says of the
// last run may be of another process, or of one before a restart; Runs and
// Failures count from the start of this one.
type JobStatus struct {
	Name    Job       `json:"name"`
	Every   string    `json:"every"` // the schedule
	Next    time.Time `json:"next,omitzero"`
	Running bool      `json:"running"`

	LastBegan  time.Time `json:"last_began,omitzero"`
	LastEnded  time.Time `json:"last_ended,omitzero"`  // of the last run that did, whatever began since
	LastOK     time.Time `json:"last_ok,omitzero"`     // when a run last ended that found nothing
	OK         bool      `json:"ok"`                   // whether the last run did; false also where there was none
	LastError  string    `json:"last_error,omitempty"` // why not
	LastResult *Result   `json:"last_result,omitempty"`

	Failing  int `json:"failing"` // failures in a row, at the end: 0 is that nothing is wrong
	Runs     int `json:"runs"`
	Failures int `json:"failures"`
}

// Status says how each job went and when it runs next, in the order of the jobs. It
// is safe to call at any time.
func (r *Runner) Status() []JobStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []JobStatus{}
	for _, t := range r.jobs {
		s := JobStatus{
			Name: t.job, Every: t.schedule.String(), Next: t.next, Running: t.running,
			LastBegan: t.rec.Began, LastError: t.rec.Error,
			LastOK: t.rec.LastOK, OK: !t.rec.LastOK.IsZero() && t.rec.Failing+t.rec.Faults == 0,
			Failing: t.rec.Failing + t.rec.Faults, Runs: t.runs, Failures: t.failures,
		}
		if t.rec.Result != nil {
			result := *t.rec.Result
			s.LastEnded, s.LastResult = result.EndedAt, &result
		}
		list = append(list, s)
	}
	return list
}
