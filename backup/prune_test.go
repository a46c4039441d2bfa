package backup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
)

func prune(t testing.TB, c backup.Config, p backup.Policy, o backup.PruneOptions) backup.PruneReport {
	t.Helper()
	r, err := backup.Prune(context.Background(), c, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// series fills a directory with snapshots of the stamps, each "stamp" or
// "stamp label"; the label pre-restore makes it one. All are the same otherwise, and
// their files are links.
func series(t *testing.T, c backup.Config, s backup.Snapshot, stamps ...string) backup.Config {
	t.Helper()
	c.Snapshots = t.TempDir()
	for _, stamp := range stamps {
		stamp, label, _ := strings.Cut(stamp, " ")
		dir := filepath.Join(c.Snapshots, stamp)
		m := *s.Manifest
		m.Stamp, m.Label = stamp, label
		if label == string(backup.OriginPreRestore) {
			m.Origin = backup.OriginPreRestore
		}
		for _, f := range m.Files {
			to := filepath.Join(dir, filepath.FromSlash(f.Path))
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(s.Path, filepath.FromSlash(f.Path)), to); err != nil {
				t.Fatal(err)
			}
		}
		writeFile(t, filepath.Join(dir, backup.ManifestName), string(encode(t, m)))
	}
	return c
}

// spoil makes a snapshot fail its check.
func spoil(t *testing.T, c backup.Config, stamp string) {
	t.Helper()
	writeFile(t, filepath.Join(c.Snapshots, stamp, "extra"), "x")
}

func decisions(all []backup.Decision) []string {
	lines := []string{}
	for _, d := range all {
		lines = append(lines, d.Stamp+": "+strings.Join(d.Why, "; "))
	}
	return lines
}

func TestPolicies(t *testing.T) {
	c, _ := newStore(t, 3)
	one := create(t, c, backup.CreateOptions{NoCheck: true})
	for _, test := range []struct {
		name   string
		stamps []string
		policy backup.Policy
		want   []string // what is kept, and why
	}{
		{"last", []string{"20260401T000000Z", "20260402T000000Z", "20260403T000000Z"}, backup.Policy{KeepLast: 2}, []string{
			"20260403T000000Z: last 1 of 2; the newest that validates",
			"20260402T000000Z: last 2 of 2",
		}},
		{"what restores saved is a series of its own", []string{"20260401T000000Z", "20260402T000000Z", "20260403T000000Z pre-restore", "20260404T000000Z pre-restore"}, backup.Policy{KeepLast: 1}, []string{
			"20260404T000000Z: last 1 of 1; the newest that validates",
			"20260402T000000Z: last 1 of 1",
		}},
		{"hourly: the newest of each hour", []string{"20260401T100000Z", "20260401T105959Z", "20260401T110000Z", "20260402T113000Z", "20260402T113001Z"}, backup.Policy{KeepHourly: 3}, []string{
			"20260402T113001Z: hourly 1 of 3, 2026-04-02 11h; the newest that validates",
			"20260401T110000Z: hourly 2 of 3, 2026-04-01 11h",
			"20260401T105959Z: hourly 3 of 3, 2026-04-01 10h",
		}},
		{"daily: days without any do not count", []string{"20260301T000000Z", "20260331T235959Z", "20260401T000000Z", "20260401T120000Z"}, backup.Policy{KeepDaily: 2}, []string{
			"20260401T120000Z: daily 1 of 2, 2026-04-01; the newest that validates",
			"20260331T235959Z: daily 2 of 2, 2026-03-31",
		}},
		// 1 January 2027 is a Friday, of the last week of 2026.
		{"weekly: ISO weeks", []string{"20261227T000000Z", "20261228T000000Z", "20270101T000000Z", "20270103T235959Z", "20270104T000000Z"}, backup.Policy{KeepWeekly: 3}, []string{
			"20270104T000000Z: weekly 1 of 3, 2027-W01; the newest that validates",
			"20270103T235959Z: weekly 2 of 3, 2026-W53",
			"20261227T000000Z: weekly 3 of 3, 2026-W52",
		}},
		{"monthly", []string{"20260228T000000Z", "20260301T000000Z", "20260331T000000Z", "20270301T000000Z"}, backup.Policy{KeepMonthly: 9}, []string{
			"20270301T000000Z: monthly 1 of 9, 2027-03; the newest that validates",
			"20260331T000000Z: monthly 2 of 9, 2026-03",
			"20260228T000000Z: monthly 3 of 9, 2026-02",
		}},
		{"yearly", []string{"20241231T235959Z", "20250101T000000Z", "20251231T235959Z", "20260101T000000Z"}, backup.Policy{KeepYearly: 2}, []string{
			"20260101T000000Z: yearly 1 of 2, 2026; the newest that validates",
			"20251231T235959Z: yearly 2 of 2, 2025",
		}},
		// However long ago the newest is.
		{"within", []string{"20200101T000000Z", "20200102T000000Z", "20200102T000001Z", "20200103T000000Z"}, backup.Policy{KeepWithin: 24 * time.Hour}, []string{
			"20200103T000000Z: within 24h0m0s of 20200103T000000Z; the newest that validates",
			"20200102T000001Z: within 24h0m0s of 20200103T000000Z",
			"20200102T000000Z: within 24h0m0s of 20200103T000000Z",
		}},
		{"labels, spelt so", []string{"20200101T000000Z keep", "20200102T000000Z Keep", "20200103T000000Z keeper", "20200104T000000Z"}, backup.Policy{KeepLabels: []string{"release", "keep"}}, []string{
			`20200104T000000Z: the newest that validates`,
			`20200101T000000Z: label "keep"`,
		}},
		{"several rules", []string{"20250101T000000Z", "20260401T000000Z x", "20260402T000000Z", "20260402T010000Z"},
			backup.Policy{KeepLast: 1, KeepDaily: 2, KeepYearly: 2, KeepLabels: []string{"x"}}, []string{
				"20260402T010000Z: last 1 of 1; daily 1 of 2, 2026-04-02; yearly 1 of 2, 2026; the newest that validates",
				`20260401T000000Z: label "x"; daily 2 of 2, 2026-04-01`,
				"20250101T000000Z: yearly 2 of 2, 2025",
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := series(t, c, one, test.stamps...)
			before := list(t, c)
			dry := prune(t, c, test.policy, backup.PruneOptions{DryRun: true})
			if d := cmp.Diff(test.want, decisions(dry.Kept)); d != "" {
				t.Errorf("kept (-want +got):\n%s", d)
			}
			if got := list(t, c); len(got) != len(before) || len(got) != len(dry.Kept)+len(dry.Removed) {
				t.Errorf("a dry run leaves %q, and speaks of %q", stampsOf(got), decisions(dry.Removed))
			}
			for _, d := range dry.Removed {
				if !slices.Equal(d.Why, []string{"no rule keeps it"}) {
					t.Errorf("%s goes because %q", d.Stamp, d.Why)
				}
			}
			wet := prune(t, c, test.policy, backup.PruneOptions{})
			dry.DryRun = false
			if d := cmp.Diff(dry, wet); d != "" {
				t.Errorf("dry run and run differ:\n%s", d)
			}
			left := stampsOf(list(t, c))
			for i, line := range test.want {
				if len(left) != len(test.want) || !strings.HasPrefix(line, left[i]+":") {
					t.Errorf("left are %q", left)
					break
				}
			}
			if got := hidden(t, c); got != nil {
				t.Errorf("left behind: %q", got)
			}
		})
	}
}

func TestPoliciesThatKeepNothing(t *testing.T) {
	c, _ := newStore(t, 1)
	create(t, c, backup.CreateOptions{NoCheck: true})
	for _, p := range []backup.Policy{{}, {KeepLast: -1}, {KeepDaily: 1, KeepYearly: -1}, {KeepWithin: -1}, {KeepLabels: []string{""}}, {KeepLast: 1, KeepLabels: []string{""}}} {
		if _, err := backup.Prune(t.Context(), c, p, backup.PruneOptions{}); !errors.Is(err, backup.ErrInvalid) {
			t.Errorf("%+v: got %v", p, err)
		}
	}
	if len(list(t, c)) != 1 {
		t.Error("something was removed")
	}
	c.Snapshots = filepath.Join(t.TempDir(), "none")
	if r := prune(t, c, backup.Policy{KeepLast: 1}, backup.PruneOptions{}); len(r.Kept)+len(r.Removed) != 0 {
		t.Errorf("got %+v", r)
	}
}

// Bad snapshots never push out good ones, and the newest that really validates
// stays, whatever the rules and the records say.
func TestPruneKeepsTheNewestThatValidates(t *testing.T) {
	c, _ := newStore(t, 3)
	one := create(t, c, backup.CreateOptions{NoCheck: true})
	c = series(t, c, one, "20260401T000000Z", "20260402T000000Z", "20260403T000000Z", "20260404T000000Z", "20260405T000000Z")
	// The two newest fail; of one that is known already, of the other it shows now.
	for _, stamp := range []string{"20260404T000000Z", "20260405T000000Z"} {
		if stamp == "20260404T000000Z" {
			wantCodes(t, validate(t, c, stamp, backup.ValidateOptions{})) // a record vouches for what it was
		}
		spoil(t, c, stamp)
	}
	r := prune(t, c, backup.Policy{KeepLast: 1}, backup.PruneOptions{})
	want := []string{
		"20260405T000000Z: last 1 of 1; not sound: it does not validate",
		"20260403T000000Z: last 1 of 1; the newest that validates",
	}
	if d := cmp.Diff(want, decisions(r.Kept)); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	want = []string{
		"20260404T000000Z: no rule keeps it; not sound: it does not validate",
		"20260402T000000Z: no rule keeps it",
		"20260401T000000Z: no rule keeps it",
	}
	if d := cmp.Diff(want, decisions(r.Removed)); d != "" {
		t.Errorf("removed (-want +got):\n%s", d)
	}
	if got, want := stampsOf(list(t, c)), []string{"20260405T000000Z", "20260403T000000Z"}; !slices.Equal(got, want) {
		t.Errorf("left are %q", got)
	}
}

// The newest that validates stays though no rule keeps it.
// The latest is what somebody took, not what a restore saved.
func TestLatest(t *testing.T) {
	c, _ := newStore(t, 1)
	one := create(t, c, backup.CreateOptions{NoCheck: true})
	c = series(t, c, one, "20260401T000000Z", "20260402T000000Z", "20260403T000000Z pre-restore")
	if s, err := backup.Find(t.Context(), c, backup.Latest); err != nil || s.Stamp != "20260402T000000Z" {
		t.Errorf("got %s, %v", s.Stamp, err)
	}
	c = series(t, c, one, "20260403T000000Z pre-restore")
	if s, err := backup.Find(t.Context(), c, backup.Latest); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("got %s, %v; want ErrNotFound", s.Stamp, err)
	}
}

func TestPruneByLabelsAlone(t *testing.T) {
	c, _ := newStore(t, 3)
	one := create(t, c, backup.CreateOptions{NoCheck: true})
	c = series(t, c, one, "20260401T000000Z", "20260402T000000Z", "20260403T000000Z")
	spoil(t, c, "20260403T000000Z")
	prune(t, c, backup.Policy{KeepLabels: []string{"none"}}, backup.PruneOptions{})
	if got, want := stampsOf(list(t, c)), []string{"20260402T000000Z"}; !slices.Equal(got, want) {
		t.Errorf("left are %q", got)
	}
}

// Where none validates, all are kept: one of them may be all that can be rescued.
func TestPruneWhereNoneValidates(t *testing.T) {
	c, _ := newStore(t, 3)
	one := create(t, c, backup.CreateOptions{NoCheck: true})
	stamps := []string{"20260401T000000Z", "20260402T000000Z", "20260403T000000Z"}
	c = series(t, c, one, stamps...)
	for _, stamp := range stamps {
		spoil(t, c, stamp)
	}
	r := prune(t, c, backup.Policy{KeepLast: 1}, backup.PruneOptions{})
	if len(r.Removed) != 0 || len(r.Kept) != 3 || !strings.Contains(decisions(r.Kept)[2], "no snapshot validates, so none is removed") {
		t.Errorf("got %+v", r)
	}
	if len(list(t, c)) != 3 {
		t.Error("something was removed")
	}
}

// While somebody uses the snapshots, none is removed.
func TestPruneWaits(t *testing.T) {
	c, _ := newStore(t, 3)
	one := create(t, c, backup.CreateOptions{NoCheck: true})
	c = series(t, c, one, "20260401T000000Z", "20260402T000000Z")
	release, err := backup.Hold(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	// Validated before, so that the deadline is all for the lock.
	validate(t, c, backup.Latest, backup.ValidateOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = backup.Prune(ctx, c, backup.Policy{KeepLast: 1}, backup.PruneOptions{})
	if !errors.Is(err, sqlite.ErrBusy) || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if len(list(t, c)) != 2 {
		t.Error("one was removed")
	}
	release()
	if r := prune(t, c, backup.Policy{KeepLast: 1}, backup.PruneOptions{}); len(r.Removed) != 1 {
		t.Errorf("got %+v", r)
	}
}

// Snapshots are taken and pruned by several at once. None fails, and at last there
// are those that the policy keeps.
func TestPrunesRace(t *testing.T) {
	c, _ := newStore(t, 1)
	one := create(t, c, backup.CreateOptions{NoCheck: true})
	var stamps []string
	for day := range 20 {
		stamps = append(stamps, fmt.Sprintf("202601%02dT000000Z", day+1))
	}
	c = series(t, c, one, stamps...)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := backup.Create(t.Context(), c, backup.CreateOptions{NoCheck: true}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := backup.Prune(t.Context(), c, backup.Policy{KeepLast: 2}, backup.PruneOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	prune(t, c, backup.Policy{KeepLast: 2}, backup.PruneOptions{})
	if all, err := backup.List(t.Context(), c); err != nil || len(all) != 2 {
		t.Errorf("%d snapshots left, %v", len(all), err)
	}
}

// Also where there is nothing to prune, what others left behind goes.
func TestPruneCleansUp(t *testing.T) {
	c, _ := newStore(t, 1)
	create(t, c, backup.CreateOptions{NoCheck: true})
	left := filepath.Join(c.Dir(), ".20200101T000000Z.tmp")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	prune(t, c, backup.Policy{KeepLast: 3}, backup.PruneOptions{})
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}
