package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/sqlite"
)

func TestWriteAndRead(t *testing.T) {
	ctx := context.Background()
	db := open(t, config(t.TempDir()))
	var id int64
	err := db.Write(ctx, func(tx *sqlite.Tx) error {
		n, err := tx.Exec("INSERT INTO item (name, data) VALUES (?, ?), (?, NULL)", "one", []byte{1, 0, 2}, "two")
		if err != nil {
			return err
		}
		if n != 2 {
			return fmt.Errorf("%d changes", n)
		}
		id = tx.LastInsertRowID()
		_, err = tx.Exec("INSERT INTO item_text (rowid, body) VALUES (?, ?)", id, "some words")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	type item struct {
		ID   int64
		Name string
		Data []byte
		Null bool
	}
	var got []item
	err = db.Read(ctx, func(tx *sqlite.Tx) error {
		for row, err := range tx.Query("SELECT id, name, data FROM item ORDER BY id") {
			if err != nil {
				return err
			}
			got = append(got, item{row.Int64(0), row.Text(1), row.Blob(2), row.IsNull(2)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []item{{1, "one", []byte{1, 0, 2}, false}, {2, "two", nil, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	err = db.Read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec("DELETE FROM item")
		return err
	})
	if !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("writing in Read: %v", err)
	}
	info, err := db.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", info)
}

// What the package promises about its connections is what SQLite says.
func TestSettings(t *testing.T) {
	ctx := context.Background()
	type settings map[string]string
	both := settings{
		"journal_mode": "wal", "wal_autocheckpoint": "0", "foreign_keys": "1",
		"trusted_schema": "0", "temp_store": "1", "user_version": "2",
	}
	for _, d := range []sqlite.Durability{sqlite.Full, sqlite.Normal} {
		c := config(t.TempDir())
		c.Durability = d
		db := open(t, c)
		writer := settings{"query_only": "0", "secure_delete": "1", "synchronous": "2", "cache_size": "-32768"}
		if d == sqlite.Normal {
			writer["synchronous"] = "1"
		}
		for _, tt := range []struct {
			name string
			run  func(context.Context, func(*sqlite.Tx) error) error
			want []settings
		}{
			{"reader", db.Read, []settings{both, {"query_only": "1", "cache_size": "-16384"}}},
			{"writer", db.Write, []settings{both, writer}},
		} {
			err := tt.run(ctx, func(tx *sqlite.Tx) error {
				for _, want := range tt.want {
					got := settings{}
					for name := range want {
						if _, err := tx.QueryRow(func(r sqlite.Row) { got[name] = r.Text(0) }, "PRAGMA "+name); err != nil {
							return err
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, %s: %s", tt.name, d, diff)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}
