package periodic_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/periodic"
)

func schedule(t testing.TB, text string) periodic.Schedule {
	t.Helper()
	s, err := periodic.ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseSchedule(t *testing.T) {
	for text, want := range map[string]string{
		"off": "off", "1h": "1h", "90m": "1h30m", "24h": "1d", "7d": "7d", "2w": "14d", "1m": "1m", "90s": "1m30s", "1.5d": "36h",
		"03:30": "day 03:30", "day 23:59": "day 23:59", "Sunday  04:50": "sunday 04:50", "wed 00:00": "wednesday 00:00",
	} {
		s := schedule(t, text)
		if s.String() != want {
			t.Errorf("%q is %q, want %q", text, s, want)
		}
		if again := schedule(t, s.String()); again != s {
			t.Errorf("%q comes back as %v", s, again)
		}
	}
	for _, text := range []string{"", "0", "59s", "-1h", "367d", "1e300d", "NaNd", "hourly", "25:00", "day", "day 3", "someday 03:30", "sunday 03:30 UTC"} {
		_, err := periodic.ParseSchedule(text)
		var invalid *atocore.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "day 03:30") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestScheduleAfter(t *testing.T) {
	oslo := time.FixedZone("", 3600)
	if l, err := time.LoadLocation("Europe/Oslo"); err == nil {
		oslo = l
	}
	at := func(text string) time.Time {
		got, err := time.ParseInLocation("2006-01-02 15:04", text, oslo)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, test := range []struct{ schedule, last, want string }{
		{"1h", "2026-03-01 12:00", "2026-03-01 13:00"},
		{"day 03:30", "2026-03-01 12:00", "2026-03-02 03:30"},
		{"day 03:30", "2026-03-01 03:29", "2026-03-01 03:30"},
		{"day 03:30", "2026-03-01 03:30", "2026-03-02 03:30"},
		{"day 03:30", "2026-12-31 03:30", "2027-01-01 03:30"},
		{"day 12:00", "2026-03-28 12:00", "2026-03-29 12:00"}, // a day of 23 hours
		{"day 12:00", "2026-10-24 12:00", "2026-10-25 12:00"}, // and one of 25
		{"sunday 04:50", "2026-03-01 04:50", "2026-03-08 04:50"},
		{"sunday 04:50", "2026-03-02 00:00", "2026-03-08 04:50"},
		{"saturday 04:50", "2026-02-28 04:49", "2026-02-28 04:50"},
	} {
		if got := schedule(t, test.schedule).After(at(test.last)); !got.Equal(at(test.want)) {
			t.Errorf("%s after %s is %v, want %s", test.schedule, test.last, got, test.want)
		}
	}
}
