package restore_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

var benchSize = flag.Int("restore.size", 64, "size of the store that BenchmarkRun restores, in MB")

// BenchmarkRun restores a store and holds it against copying, syncing and hashing a
// file of that size: "speed" is how fast a restore is in terms of that.
func BenchmarkRun(b *testing.B) {
	data := filepath.Join(b.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		b.Fatal(err)
	}
	db := openStore(b, data)
	text := make([]byte, 1<<16)
	source := rand.NewChaCha8([32]byte{})
	for i := range *benchSize {
		err := db.Write(b.Context(), func(tx *sqlite.Tx) error {
			for k := range 8 {
				_, _ = source.Read(text)
				if _, err := tx.Exec(`INSERT INTO projects (name, aliases, description, created_at, updated_at)
					VALUES (?, '[]', ?, '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')`,
					fmt.Sprint(i, " ", k), fmt.Sprintf("%x", text)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	closeStore(b, db)
	c := config(data)
	s, err := backup.Create(b.Context(), c.Config, backup.CreateOptions{})
	if err != nil {
		b.Fatal(err)
	}

	var copying, restoring time.Duration
	steps := map[string]float64{}
	for b.Loop() {
		start := time.Now()
		copySyncHash(b, filepath.Join(data, "atocore.db"), filepath.Join(b.TempDir(), "copy"))
		copying += time.Since(start)

		start = time.Now()
		report, err := restore.Run(b.Context(), c, restore.Options{Stamp: s.Stamp, ConfirmServiceStopped: true, NoPreSnapshot: true})
		if err != nil {
			b.Fatal(err)
		}
		restoring += time.Since(start)
		for _, s := range report.Steps {
			steps[s.Name] += s.Milliseconds
		}
	}
	b.SetBytes(s.Bytes)
	for _, name := range []string{"validate", "stage", "swap", "verify"} {
		b.ReportMetric(steps[name]/float64(b.N), name+"-ms")
	}
	b.ReportMetric(copying.Seconds()*1000/float64(b.N), "copy-ms")
	b.ReportMetric(copying.Seconds()/restoring.Seconds(), "speed")
}

func copySyncHash(b *testing.B, from, to string) {
	b.Helper()
	in, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	h := sha256.New()
	if _, err = io.CopyBuffer(io.MultiWriter(out, h), struct{ io.Reader }{in}, make([]byte, 1<<20)); err == nil {
		err = out.Sync()
	}
	out.Close()
	os.Remove(to)
	if err != nil {
		b.Fatal(err)
	}
}
