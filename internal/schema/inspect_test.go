package schema_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

func read(t *testing.T, db *sqlite.DB, fn func(*sqlite.Tx) error) {
	t.Helper()
	if err := db.Read(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, db *sqlite.DB, script string) {
	t.Helper()
	if err := db.Write(t.Context(), func(tx *sqlite.Tx) error { return tx.ExecScript(script) }); err != nil {
		t.Fatal(err)
	}
}

// Every table is counted, and those that are there are those that must be there.
func TestCountsHaveEveryTable(t *testing.T) {
	db := rows(t)
	read(t, db, func(tx *sqlite.Tx) error {
		counts, err := schema.Counts(tx)
		if err != nil {
			return err
		}
		version, err := schema.Version(tx)
		if err != nil {
			return err
		}
		if version != len(schema.Migrations()) {
			t.Errorf("got version %d, want %d", version, len(schema.Migrations()))
		}
		want := schema.TablesOf(version)
		if got := slices.Sorted(maps.Keys(counts)); !slices.Equal(got, want) {
			t.Errorf("got tables %q, want %q", got, want)
		}
		for _, name := range []string{"segments", "drills", "units", "vectors"} {
			if !slices.Contains(want, name) {
				t.Errorf("no table %s: %q", name, want)
			}
		}
		for name := range counts {
			if strings.HasPrefix(name, "fts_") || strings.HasPrefix(name, "sqlite_") {
				t.Errorf("%s is counted", name)
			}
		}
		_, n, err := schema.Digest(tx)
		if err != nil {
			return err
		}
		for name, rows := range n {
			if counts[name] != rows {
				t.Errorf("%s: got %d rows, want %d", name, counts[name], rows)
			}
		}
		return nil
	})
}

func TestTablesOfAVersion(t *testing.T) {
	if slices.Contains(schema.TablesOf(1), "drills") || !slices.Contains(schema.TablesOf(2), "drills") {
		t.Errorf("version 1 has %q, version 2 %q", schema.TablesOf(1), schema.TablesOf(2))
	}
	if got, want := schema.TablesOf(99), schema.TablesOf(len(schema.Migrations())); !slices.Equal(got, want) {
		t.Errorf("of a newer version: got %q, want %q", got, want)
	}
}

func TestOriginals(t *testing.T) {
	db := rows(t) // one is kept, by a hash that is none
	read(t, db, func(tx *sqlite.Tx) error {
		if got, err := schema.Originals(tx); err == nil || !strings.Contains(err.Error(), `"abc"`) {
			t.Errorf("got %v, %v", got, err)
		}
		return nil
	})
	sum := strings.Repeat("0a", 32)
	write(t, db, `UPDATE documents SET sha256 = '`+sum+`', kept = 1`)
	read(t, db, func(tx *sqlite.Tx) error {
		got, err := schema.Originals(tx)
		if err != nil {
			return err
		}
		if d := cmp.Diff([]schema.Original{{SHA256: sum, Size: 42}}, got); d != "" {
			t.Errorf("originals (-want +got):\n%s", d)
		}
		return nil
	})
	for _, bad := range []string{"", strings.Repeat("0A", 32), sum + "0", "../" + sum[3:]} {
		if schema.IsSum(bad) {
			t.Errorf("%q is taken for a hash", bad)
		}
	}
}

// derivedRows gives each record of testdata/rows.sql its unit, and the units full
// text and one vector; the others are noted as having none, or wait.
const derivedRows = `
	INSERT INTO spaces (space, name, dimensions, fingerprint, active) VALUES (1, 'old', 1, 'x', 0), (2, 'new', 1, 'y', 1);
	INSERT INTO units (unit, kind, id, type, status, tags, time, made_from, confidence, thread, place, siblings, head_length, body_length)
	SELECT value ->> 0, value ->> 1, value ->> 2, '', '', '[]', '', 0, 1, 0, 0, 1, 0, 1
	FROM json_each('[[1,"memory","m1"],[2,"memory","m2"],[3,"state","s1"],[4,"chunk","d1.0"],[5,"chunk","d1.1"],[6,"interaction","i1"]]');
	INSERT INTO unit_terms (unit, terms) SELECT unit, x'00018374657874' FROM units; -- "text" in the body
	INSERT INTO vectors (space, unit, vector) VALUES (1, 1, x'00'), (2, 1, x'00'), (2, 2, x'00'), (2, 3, x'00'), (2, 4, x'00');
	INSERT INTO vectorless (space, unit) VALUES (2, 5);
	INSERT INTO embedding_queue (unit) VALUES (6);`

func TestParity(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         []schema.Disparity
	}{
		{"as it should be", ``, nil},
		{"no space", `UPDATE spaces SET active = 0; DELETE FROM vectors; DELETE FROM embedding_queue`, nil},
		{"a unit too few", `DELETE FROM unit_terms WHERE unit = 6; DELETE FROM embedding_queue; DELETE FROM units WHERE unit = 6`,
			[]schema.Disparity{{Code: "units_missing", Table: "units", Rows: 1}}},
		{"a record too few", `DELETE FROM interactions`, []schema.Disparity{{Code: "units_orphaned", Table: "units", Rows: 1}}},
		{"no terms of one, those of one that is not there", `UPDATE unit_terms SET unit = 9 WHERE unit = 1`,
			[]schema.Disparity{{Code: "fts_parity", Table: "segments", Rows: 2}}},
		{"terms that cannot be read", `UPDATE unit_terms SET terms = x'0001' WHERE unit = 1`, []schema.Disparity{
			{Code: "fts_parity", Table: "segments", Rows: 1},
			{Code: "fts_integrity", Table: "unit_terms", Rows: 1, Note: "unit 1: term vector holds 0 terms of a field with 1: text index is damaged"},
		}},
		{"a vector of no unit", `INSERT INTO vectors (space, unit, vector) VALUES (1, 9, x'00')`,
			[]schema.Disparity{{Code: "vectors_orphaned", Table: "vectors", Rows: 1}}},
		{"only one of the other space", `DELETE FROM vectors WHERE space = 2 AND unit = 1`,
			[]schema.Disparity{{Code: "vectors_missing", Table: "vectors", Rows: 1}}},
		{"not in the queue", `DELETE FROM embedding_queue`,
			[]schema.Disparity{{Code: "vectors_missing", Table: "vectors", Rows: 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := rows(t)
			write(t, db, derivedRows)
			write(t, db, test.script)
			read(t, db, func(tx *sqlite.Tx) error {
				got, err := schema.Parity(tx)
				if d := cmp.Diff(test.want, got); d != "" || err != nil {
					t.Errorf("%v, parity (-want +got):\n%s", err, d)
				}
				return nil
			})
		})
	}
}

func TestActiveSpaceAndStripVectors(t *testing.T) {
	db := rows(t)
	write(t, db, derivedRows)
	before, _ := digest(t, db)
	if err := db.Write(t.Context(), schema.StripVectors); err != nil {
		t.Fatal(err)
	}
	if after, _ := digest(t, db); after != before {
		t.Error("the digest is another one")
	}
	read(t, db, func(tx *sqlite.Tx) error {
		id, sp, err := schema.ActiveSpace(tx)
		if want := (schema.Space{Name: "new", Dimensions: 1, Fingerprint: "y"}); id != 2 || sp != want || err != nil {
			t.Errorf("got space %d, %v, %v", id, sp, err)
		}
		counts, err := schema.Counts(tx)
		if counts["vectors"] != 0 || counts["vectorless"] != 0 || counts["embedding_queue"] != 6 {
			t.Errorf("got %v", counts)
		}
		if found, err := schema.Parity(tx); err != nil || found != nil {
			t.Errorf("got %v, %v", found, err)
		}
		return err
	})
	write(t, db, `UPDATE spaces SET active = 0`)
	read(t, db, func(tx *sqlite.Tx) error {
		if id, sp, err := schema.ActiveSpace(tx); id != 0 || sp != (schema.Space{}) || err != nil {
			t.Errorf("got space %d, %v, %v", id, sp, err)
		}
		return nil
	})
}
