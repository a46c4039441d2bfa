package backup

import (
	"fmt"
	"slices"
	"time"
)

// A Policy says which snapshots to keep: each that any of its rules keeps. The
// rules are those of restic: one that counts hours, days, weeks, months or years
// keeps the newest snapshot of each, and counts only those that have any, newest
// first; times are UTC.
//
// Snapshots that are not [Snapshot.Sound] are a series of their own, to which the
// rules apply separately, so that bad ones never take the places of good ones. So
// are those that restores have taken of what they replaced.
type Policy struct {
	KeepLast    int
	KeepHourly  int
	KeepDaily   int
	KeepWeekly  int // weeks of ISO 8601, which begin on Monday
	KeepMonthly int
	KeepYearly  int

	// KeepWithin keeps what is at most so much older than the newest snapshot of
	// the series: where none are taken any more, none are removed by it.
	KeepWithin time.Duration

	// KeepLabels keeps the snapshots with one of these labels, spelt exactly so.
	KeepLabels []string
}

// Check fails with [ErrInvalid] where the policy is none: it keeps nothing, or less
// than that.
func (p Policy) Check() error {
	counts := []int{p.KeepLast, p.KeepHourly, p.KeepDaily, p.KeepWeekly, p.KeepMonthly, p.KeepYearly}
	switch {
	case slices.Min(counts) < 0 || p.KeepWithin < 0:
		return fmt.Errorf("%w: a policy cannot keep less than nothing", ErrInvalid)
	case slices.Contains(p.KeepLabels, ""):
		return fmt.Errorf("%w: an empty label is on no snapshot", ErrInvalid)
	case slices.Max(counts) == 0 && p.KeepWithin == 0 && len(p.KeepLabels) == 0:
		return fmt.Errorf("%w: a policy that keeps nothing", ErrInvalid)
	}
	return nil
}

// A rule keeps the newest of each of so many periods.
type rule struct {
	name  string
	count int
	of    func(time.Time) string // the period
}

func (p Policy) rules() []rule {
	layout := func(l string) func(time.Time) string {
		return func(t time.Time) string { return t.Format(l) }
	}
	return []rule{
		{"last", p.KeepLast, layout(stampLayout)}, // each is a period of its own
		{"hourly", p.KeepHourly, layout("2006-01-02 15h")},
		{"daily", p.KeepDaily, layout("2006-01-02")},
		{"weekly", p.KeepWeekly, func(t time.Time) string {
			year, week := t.ISOWeek()
			return fmt.Sprintf("%04d-W%02d", year, week)
		}},
		{"monthly", p.KeepMonthly, layout("2006-01")},
		{"yearly", p.KeepYearly, layout("2006")},
	}
}

// apply says for each snapshot of one series, newest first, what keeps it; nothing
// does for one without reasons.
func (p Policy) apply(series []Snapshot) [][]string {
	why := make([][]string, len(series))
	if len(series) == 0 {
		return why
	}
	times := make([]time.Time, len(series))
	for i, s := range series {
		times[i] = stampTime(s.Stamp)
		if p.KeepWithin > 0 && times[0].Sub(times[i]) <= p.KeepWithin {
			why[i] = append(why[i], fmt.Sprintf("within %s of %s", p.KeepWithin, series[0].Stamp))
		}
		if label := s.label(); slices.Contains(p.KeepLabels, label) {
			why[i] = append(why[i], fmt.Sprintf("label %q", label))
		}
	}
	for _, r := range p.rules() {
		last, n := "", 0
		for i, t := range times {
			period := r.of(t)
			if n == r.count {
				break
			}
			if period == last {
				continue
			}
			last = period
			n++
			reason := fmt.Sprintf("%s %d of %d", r.name, n, r.count)
			if r.name != "last" {
				reason += ", " + period
			}
			why[i] = append(why[i], reason)
		}
	}
	return why
}

func (s Snapshot) label() string {
	if s.Manifest == nil {
		return ""
	}
	return s.Manifest.Label
}

// stampTime gives the time that a stamp says.
func stampTime(stamp string) time.Time {
	t, err := time.Parse(stampLayout, stamp)
	if err != nil {
		panic(err) // snapshots are listed by their stamps
	}
	return t
}
