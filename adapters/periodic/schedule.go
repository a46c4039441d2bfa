package periodic

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

// A Schedule says when a job runs: at an interval, or at a time of each day or of
// one day of the week. The zero value is never.
type Schedule struct {
	every  time.Duration // between two runs; 0 is never
	clock  bool          // at a time of day, every being a day or a week
	day    time.Weekday  // where every is a week
	minute int           // of the day
}

// The bounds of an interval.
const (
	minEvery = time.Minute
	maxEvery = 366 * day
	day      = 24 * time.Hour
	week     = 7 * day
)

// Every is a schedule by interval, counted from when the last run began; from a
// minute to 366 days.
func Every(d time.Duration) (Schedule, error) {
	if d < minEvery || d > maxEvery {
		return Schedule{}, badSchedule(d.String(), "is not between a minute and 366 days")
	}
	return Schedule{every: d}, nil
}

// ParseSchedule reads an interval ("15m", "1h", "7d", "2w"), a time of each day
// ("day 03:30", or "03:30" alone), a time of a day of the week ("sunday 04:50", or
// "sun 04:50"), or "off". Times of day are of the Runner's time zone.
func ParseSchedule(text string) (Schedule, error) {
	words := strings.Fields(strings.ToLower(text))
	switch {
	case len(words) == 1 && words[0] == "off":
		return Schedule{}, nil
	case len(words) == 1 && strings.Contains(words[0], ":"):
		words = []string{"day", words[0]}
	case len(words) == 1:
		d, err := wire.Span(words[0])
		if err != nil {
			return Schedule{}, badSchedule(text, "is no schedule")
		}
		return Every(d)
	}
	if len(words) != 2 {
		return Schedule{}, badSchedule(text, "is no schedule")
	}
	at, err := time.Parse("15:04", words[1])
	if err != nil {
		return Schedule{}, badSchedule(text, "has no time of day")
	}
	s := Schedule{every: day, clock: true, minute: at.Hour()*60 + at.Minute()}
	if words[0] == "day" {
		return s, nil
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := strings.ToLower(d.String()); words[0] == name || words[0] == name[:3] {
			s.every, s.day = week, d
			return s, nil
		}
	}
	return Schedule{}, badSchedule(text, "has no day")
}

func badSchedule(text, reason string) error {
	return &atocore.InvalidError{Field: fmt.Sprintf("schedule %q", text), Reason: reason, Hint: `write 15m, 1h, 7d, "day 03:30", "sunday 04:50" or off`}
}

// UnmarshalText implements encoding.TextUnmarshaler by ParseSchedule.
func (s *Schedule) UnmarshalText(text []byte) error {
	parsed, err := ParseSchedule(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

// String writes the schedule as ParseSchedule reads it.
func (s Schedule) String() string {
	switch {
	case s.Off():
		return "off"
	case s.clock:
		name := "day"
		if s.every == week {
			name = strings.ToLower(s.day.String())
		}
		return fmt.Sprintf("%s %02d:%02d", name, s.minute/60, s.minute%60)
	case s.every%day == 0:
		return strconv.FormatInt(int64(s.every/day), 10) + "d"
	}
	text := s.every.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Off reports whether the schedule is never.
func (s Schedule) Off() bool { return s.every == 0 }

// Interval is the time between two runs, 0 for never.
func (s Schedule) Interval() time.Duration { return s.every }

// After is when the schedule wants the next run after one that began at last.
// Times of day are those of last's time zone. Where a clock is put forward over
// the time of day, it is as much later.
func (s Schedule) After(last time.Time) time.Time {
	if !s.clock {
		return last.Add(s.every)
	}
	for ahead := 0; ; ahead++ {
		at := time.Date(last.Year(), last.Month(), last.Day()+ahead, s.minute/60, s.minute%60, 0, 0, last.Location())
		if at.After(last) && (s.every == day || at.Weekday() == s.day) {
			return at
		}
	}
}
