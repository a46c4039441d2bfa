package cli

import (
	"context"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
)

type backupPruneCmd struct {
	keepFlags
	DryRun bool `help:"Decide and explain, and remove nothing."`
}

// keepFlags are the rules of what prune keeps, also where it runs by a schedule.
type keepFlags struct {
	KeepLast    int      `placeholder:"N" help:"Keep the newest N (ATOCORE_KEEP_LAST)."`
	KeepHourly  int      `placeholder:"N" help:"Keep the newest of each of the last N hours that have any (ATOCORE_KEEP_HOURLY)."`
	KeepDaily   int      `placeholder:"N" help:"Likewise of days (ATOCORE_KEEP_DAILY)."`
	KeepWeekly  int      `placeholder:"N" help:"Likewise of weeks (ATOCORE_KEEP_WEEKLY)."`
	KeepMonthly int      `placeholder:"N" help:"Likewise of months (ATOCORE_KEEP_MONTHLY)."`
	KeepYearly  int      `placeholder:"N" help:"Likewise of years (ATOCORE_KEEP_YEARLY)."`
	KeepWithin  span     `placeholder:"SPAN" help:"Keep what is not older than that: 36h, 7d, 2w (ATOCORE_KEEP_WITHIN)."`
	KeepLabel   []string `placeholder:"L" help:"Keep those with this label for good; can be repeated."`
}

func (k *keepFlags) retention() atocore.Retention {
	return atocore.Retention{
		KeepLast: k.KeepLast, KeepHourly: k.KeepHourly, KeepDaily: k.KeepDaily, KeepWeekly: k.KeepWeekly,
		KeepMonthly: k.KeepMonthly, KeepYearly: k.KeepYearly, KeepWithin: k.KeepWithin.d, KeepLabels: k.KeepLabel,
	}
}

func (backupPruneCmd) Help() string {
	return `A snapshot is kept if any rule keeps it. The newest sound one is kept in any case.` + examples(
		`atocore backup prune --keep-last 3 --keep-daily 7 --keep-monthly 12 --dry-run`,
		`atocore backup prune --keep-within 7d --keep-label release`,
	)
}

func (c *backupPruneCmd) Run(ctx context.Context, s *session) error {
	report, err := s.backup().Prune(ctx, c.retention(), &atocore.PruneOptions{DryRun: c.DryRun})
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
	d, err := wire.Span(string(b))
	s.d = d
	return err
}
