package atocore_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore"
)

var (
	backupMB   = flag.Int64("backup.mb", 500, "size of the store of BenchmarkBackup in MB")
	backupPace = flag.Duration("backup.pace", 5*time.Millisecond, "how often each of its two writers writes; 0 is all the time, which takes both processors")
)

// BenchmarkBackup holds, in one run, the speed of a snapshot and of a restore
// against that of copying the same file with sync and SHA-256, whose speed is 1:
//
//	go test -run '^$' -bench Backup -benchtime 5x .
//
// While a snapshot is taken two goroutines remember things, and not while the file
// is copied; pause-ms is the longest that one of them waited. "checked" includes the check of the copy's
// content, "safe" the snapshot that a restore takes of what it replaces. The
// figures are medians, but for the pause.
func BenchmarkBackup(b *testing.B) {
	ctx := b.Context()
	dir := b.TempDir()
	open := func() *atocore.Store {
		s, err := atocore.Open(ctx, dir, &atocore.Options{CompileCache: cacheDir})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := open()
	w := newWordSource(1)
	var size int64
	for batch := 0; size < *backupMB<<20; batch++ {
		memories := make([]atocore.Memory, 1_000)
		for i := range memories {
			memories[i] = atocore.Memory{Type: atocore.Knowledge, Content: w.sentence(30+w.rng.IntN(120)) + fmt.Sprint(" ", batch, i)}
		}
		if _, err := s.RememberAll(ctx, memories); err != nil {
			b.Fatal(err)
		}
		stats, err := s.Stats(ctx)
		if err != nil {
			b.Fatal(err)
		}
		size = stats.Bytes
	}
	backups := atocore.NewBackup(dir, &atocore.BackupOptions{Options: &atocore.Options{CompileCache: cacheDir}})
	figures := map[string][]float64{}
	note := func(name string, plain, took time.Duration) {
		figures[name] = append(figures[name], plain.Seconds()/took.Seconds())
	}
	var longest time.Duration
	restore := func(stamp string, o atocore.RestoreOptions) time.Duration {
		o.ConfirmServiceStopped = true
		began := time.Now()
		if _, err := backups.Restore(ctx, stamp, &o); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	for n := 0; b.Loop(); n++ {
		plain := copyPlain(b, filepath.Join(dir, "atocore.db"), filepath.Join(b.TempDir(), "copy"))
		figures["copy-s"] = append(figures["copy-s"], plain.Seconds())

		stop := rememberMeanwhile(b, s, n, &longest)
		began := time.Now()
		snap, err := s.Backup(nil).Create(ctx, &atocore.SnapshotOptions{NoCheck: true})
		note("snapshot", plain, time.Since(began))
		stop()
		if err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		if _, err := s.Backup(nil).Create(ctx, nil); err != nil {
			b.Fatal(err)
		}
		note("checked", plain, time.Since(began))
		if report, err := backups.Validate(ctx, snap.Stamp, nil); err != nil || !report.OK {
			b.Fatal(report, err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		note("restore", plain, restore(snap.Stamp, atocore.RestoreOptions{NoPreSnapshot: true}))
		note("safe", plain, restore(snap.Stamp, atocore.RestoreOptions{}))
		if _, err := backups.Prune(ctx, atocore.Retention{KeepLast: 1}, nil); err != nil {
			b.Fatal(err)
		}
		s = open()
	}
	b.ReportMetric(float64(size>>20), "MB")
	b.ReportMetric(float64(longest.Microseconds())/1e3, "pause-ms")
	for name, values := range figures {
		slices.Sort(values)
		if name != "copy-s" {
			name += "/copy"
		}
		b.ReportMetric(values[len(values)/2], name)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// copyPlain copies a file with sync and SHA-256 and says how long that took.
func copyPlain(b *testing.B, from, to string) time.Duration {
	b.Helper()
	began := time.Now()
	in, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.CopyBuffer(io.MultiWriter(out, sha256.New()), struct{ io.Reader }{in}, make([]byte, 1<<20)); err != nil {
		b.Fatal(err)
	}
	if err := out.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := out.Close(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	if err := os.Remove(to); err != nil {
		b.Fatal(err)
	}
	return took
}

// rememberMeanwhile has two goroutines write until stop is called, and notes the
// longest that a write took.
func rememberMeanwhile(b *testing.B, s *atocore.Store, n int, longest *time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	for g := range 2 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				select {
				case <-ctx.Done():
				case <-time.After(*backupPace):
				}
				began := time.Now()
				_, err := s.Remember(b.Context(), atocore.Memory{Type: atocore.Episodic, Content: fmt.Sprintf("Written meanwhile: %d %d %d.", n, g, i)})
				took := time.Since(began)
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				*longest = max(*longest, took)
				mu.Unlock()
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}
