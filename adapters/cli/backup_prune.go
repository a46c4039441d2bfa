package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

type backupPruneCmd struct {
	KeepLast    int      `placeholder:"N" help:"Keep the newest N."`
	KeepHourly  int      `placeholder:"N" help:"Keep the newest of each of the last N hours that have any."`
	KeepDaily   int      `placeholder:"N" help:"Likewise of days."`
	KeepWeekly  int      `placeholder:"N" help:"Likewise of weeks."`
	KeepMonthly int      `placeholder:"N" help:"Likewise of months."`
	KeepYearly  int      `placeholder:"N" help:"Likewise of years."`
	KeepWithin  span     `placeholder:"SPAN" help:"Keep what is not older than that: 36h, 7d, 2w."`
	KeepLabel   []string `placeholder:"L" help:"Keep those with this label for good; can be repeated."`
	DryRun      bool     `help:"Decide and explain, and remove nothing."`
}

func (backupPruneCmd) Help() string {
	return `A snapshot is kept if any rule keeps it. The newest sound one is kept in any case.` + examples(
		`atocore backup prune --keep-last 3 --keep-daily 7 --keep-monthly 12 --dry-run`,
		`atocore backup prune --keep-within 7d --keep-label release`,
	)
}

func (c *backupPruneCmd) Run(ctx context.Context, s *session) error {
	report, err := s.backup().Prune(ctx, atocore.Retention{
		KeepLast: c.KeepLast, KeepHourly: c.KeepHourly, KeepDaily: c.KeepDaily, KeepWeekly: c.KeepWeekly,
		KeepMonthly: c.KeepMonthly, KeepYearly: c.KeepYearly, KeepWithin: c.KeepWithin.d, KeepLabels: c.KeepLabel,
	}, &atocore.PruneOptions{DryRun: c.DryRun})
	if err != nil {
		return err
	}
	return s.out.put(report, func() {
		removed := "removed"
		if report.DryRun {
			removed = "would go"
		}
		for _, d := range report.Kept {
			s.out.line("%s  %-8s  %s", d.Stamp, "kept", strings.Join(d.Why, ", "))
		}
		for _, d := range report.Removed {
			s.out.line("%s  %-8s  %s", d.Stamp, removed, strings.Join(d.Why, ", "))
		}
	})
}

// span is a duration on the command line, with days and weeks besides what Go
// knows.
type span struct{ d time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(b []byte) error {
	text := string(b)
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(text, unit)
		if n, err := strconv.ParseFloat(number, 64); ok && err == nil && n > 0 && n < 1e5 {
			s.d = time.Duration(n * float64(length))
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("not above zero")
	}
	if err != nil {
		return fmt.Errorf("%q is no span of time; write 36h, 7d or 2w", text)
	}
	s.d = d
	return nil
}
