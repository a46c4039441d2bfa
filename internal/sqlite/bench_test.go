package sqlite_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/atocore/atocore/internal/sqlite"
)

// Commits of one row each.
func BenchmarkWrite(b *testing.B) {
	for _, d := range []sqlite.Durability{sqlite.Full, sqlite.Normal} {
		for _, n := range []int{1, 2, 16} {
			b.Run(fmt.Sprintf("%s/%d", d, n), func(b *testing.B) {
				c := config(b.TempDir())
				c.Durability = d
				db := open(b, c)
				ctx := context.Background()
				var next atomic.Int64
				b.ResetTimer()
				var wg sync.WaitGroup
				for range n {
					wg.Go(func() {
						for {
							i := next.Add(1)
							if i > int64(b.N) {
								return
							}
							if err := insert(db, ctx, fmt.Sprint(i)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}

// Rows of one large transaction.
func BenchmarkBatch(b *testing.B) {
	db := open(b, config(b.TempDir()))
	ctx := context.Background()
	b.ResetTimer()
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		for i := range b.N {
			if _, err := tx.Exec("INSERT INTO item (name) VALUES (?)", fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkPointRead(b *testing.B) {
	db := open(b, config(b.TempDir()))
	ctx := context.Background()
	const rows = 1000
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		for i := range rows {
			if _, err := tx.Exec("INSERT INTO item (id, name) VALUES (?, ?)", i, fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("alone", func(b *testing.B) {
		for i := range b.N {
			err := db.Read(ctx, func(tx *sqlite.Tx) error {
				found, err := tx.QueryRow(func(r sqlite.Row) { r.Text(0) }, "SELECT name FROM item WHERE id = ?", i%rows)
				if !found {
					b.Error("not found")
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("in one Read", func(b *testing.B) {
		err := db.Read(ctx, func(tx *sqlite.Tx) error {
			for i := range b.N {
				if _, err := tx.QueryRow(func(r sqlite.Row) { r.Text(0) }, "SELECT name FROM item WHERE id = ?", i%rows); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkDataVersion(b *testing.B) {
	db := open(b, config(b.TempDir()))
	ctx := context.Background()
	for b.Loop() {
		if _, err := db.DataVersion(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
