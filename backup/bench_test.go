package backup_test

import (
	"context"
	"crypto/sha256"
	"errors"
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
)

var benchSize = flag.Int("backup.mib", 64, "size of the store that is benchmarked")

// BenchmarkCreate takes snapshots of a store, while another process writes to it,
// and gives their speed as a part of that of copying a file of the same size with
// sync and SHA-256.
func BenchmarkCreate(b *testing.B) {
	c, db := newStore(b, 1)
	source := rand.NewChaCha8([32]byte{})
	text := make([]byte, 1500)
	for i := range *benchSize {
		if err := db.Write(b.Context(), func(tx *sqlite.Tx) error {
			for k := range 1 << 20 / 3500 { // a memory of 2 KB, its vector of 1.5
				_, _ = source.Read(text)
				id := fmt.Sprintf("b%04d-%04d", i, k)
				if err := rememberTx(tx, id, 1); err != nil {
					return err
				}
				if _, err := tx.Exec(`UPDATE memories SET content = ? WHERE id = ?`, fmt.Sprintf("%x", text[:1000]), id+"00000"); err != nil {
					return err
				}
				if _, err := tx.Exec(`UPDATE vectors SET vector = ? WHERE space = 1 AND unit = (SELECT unit FROM units WHERE id = ?)`, text, id+"00000"); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := db.Checkpoint(b.Context(), sqlite.Truncate); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(db.Path())
	if err != nil {
		b.Fatal(err)
	}
	p := startChild(b, "write", filepath.Dir(c.Data))
	p.line(b)

	var created, copied time.Duration
	for b.Loop() {
		began := time.Now()
		s, err := backup.Create(context.Background(), c, backup.CreateOptions{NoCheck: true})
		if err != nil {
			b.Fatal(err)
		}
		created += time.Since(began)
		began = time.Now()
		plainCopy(b, filepath.Join(s.Path, backup.DatabaseName), filepath.Join(c.Snapshots, ".copy"))
		copied += time.Since(began)
		if err := errors.Join(os.RemoveAll(s.Path), os.Remove(filepath.Join(c.Snapshots, ".copy"))); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(info.Size())
	b.ReportMetric(copied.Seconds()/created.Seconds(), "of-a-copy")
}

// plainCopy copies a file with sync and SHA-256.
func plainCopy(b *testing.B, from, to string) {
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
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, sha256.New())}, struct{ io.Reader }{in}, make([]byte, 1<<20))
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		b.Fatal(err)
	}
}
