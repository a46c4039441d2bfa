package schema_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

var update = flag.Bool("update", false, "write testdata/schema.sql anew")

// migrations pins what each step is. A step that has been released is never
// changed: add another, and its hash here.
var migrations = map[string]string{
	"0001_init.sql":      "46298abf2691527a87a0ff0c273262e556f8a055743f8bd9e9d872d942c5bc85",
	"0003_index.sql":     "fe1cc18e49c35956ec5683332943cce38801cc2013958474cd20944d51bb2fd3",
	"0002_drills.sql":    "b43d6c53de6b9ebb9402642a50574761c4be27c71d1f6ef2e5934356f28b92ad",
	"0004_proposals.sql": "bed00777abbca7dcd99c1606a7b6aa3c3113149b8f10010afbe9bea7625e27d0",
}

// golden is the digest of the rows in testdata/rows.sql. Digests are stored in
// snapshots: a change of their form makes every snapshot fail its check.
const golden = "0352a43475e49fce89750f09d8a229bc3d9cd427943be089e38cf30da4a69e38"

func open(t *testing.T) *sqlite.DB {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), sqlite.Config{
		Path:          filepath.Join(dir, "atocore.db"),
		LockPath:      filepath.Join(dir, "atocore.lock"),
		ApplicationID: schema.ApplicationID,
		Migrations:    schema.Migrations(),
		CacheDir:      filepath.Join(os.TempDir(), "atocore-test-wasm"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		findings, err := db.IntegrityCheck(context.Background())
		if err != nil || len(findings) > 0 {
			t.Errorf("check of the database: %v, %v", findings, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// rows puts the records of testdata/rows.sql into a new database.
func rows(t *testing.T) *sqlite.DB {
	t.Helper()
	db := open(t)
	script, err := os.ReadFile("testdata/rows.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *sqlite.Tx) error { return tx.ExecScript(string(script)) }); err != nil {
		t.Fatal(err)
	}
	return db
}

func digest(t *testing.T, db *sqlite.DB) (digest string, n map[string]int64) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *sqlite.Tx) (err error) {
		digest, n, err = schema.Digest(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest, n
}

func TestMigrationsArePinned(t *testing.T) {
	all := schema.Migrations()
	if len(all) != len(migrations) {
		t.Errorf("got %d migrations, want %d", len(all), len(migrations))
	}
	for i, m := range all {
		if want := fmt.Sprintf("%04d_", i+1); !strings.HasPrefix(m.Name, want) {
			t.Errorf("migration %d is called %s, want %s…", i+1, m.Name, want)
		}
		sum := sha256.Sum256([]byte(m.SQL))
		if got := hex.EncodeToString(sum[:]); got != migrations[m.Name] {
			t.Errorf("%s: got SHA-256 %s, want %s: a released step never changes", m.Name, got, migrations[m.Name])
		}
	}
}

// The migrations, one after the other, make the schema of testdata/schema.sql.
func TestSchemaIsPinned(t *testing.T) {
	db := open(t)
	var b strings.Builder
	err := db.Read(t.Context(), func(tx *sqlite.Tx) error {
		for r, err := range tx.Query(`SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name`) {
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "-- %s %s on %s\n", r.Text(0), r.Text(1), r.Text(2))
			if sql := r.Text(3); sql != "" {
				fmt.Fprintf(&b, "%s;\n", sql)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const name = "testdata/schema.sql"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("schema (-want +got):\n%s", d)
	}
}

func TestDigestIsPinned(t *testing.T) {
	db := rows(t)
	got, n := digest(t, db)
	if got != golden {
		t.Errorf("got digest %s, want %s", got, golden)
	}
	for _, table := range schema.Tables {
		if n[table.Name] == 0 {
			t.Errorf("table %s has no row: the digest shows nothing about it", table.Name)
		}
	}
}

// derived are the tables, and the columns of others, that can be made anew from
// what the digest covers, or that are not of what the store holds.
var derived = []string{"code_means", "codes", "drills", "embedding_queue", "memories.content_key", "meta", "probes", "project_names", "segment_blocks", "segments", "spaces", "trusts", "unit_blocks", "unit_log", "unit_terms", "units", "vectorless", "vectors"}

// The digest covers every column of every table but the derived ones.
func TestDigestCoversEverything(t *testing.T) {
	db := open(t)
	covered := map[string]bool{}
	for _, table := range schema.Tables {
		for _, c := range table.Columns {
			covered[table.Name+"."+c] = true
		}
	}
	seen := 0
	err := db.Read(t.Context(), func(tx *sqlite.Tx) error {
		for r, err := range tx.Query(`SELECT t.name, c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
			WHERE t.schema = 'main' AND t.type <> 'shadow' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid`) {
			if err != nil {
				return err
			}
			table, column := r.Text(0), r.Text(0)+"."+r.Text(1)
			seen++
			isDerived := slices.Contains(derived, table) || slices.Contains(derived, column)
			if covered[column] == isDerived {
				t.Errorf("column %s: covered by the digest is %v, derived is %v", column, covered[column], isDerived)
			}
			delete(covered, column)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for c := range covered {
		t.Errorf("column %s, which the digest covers, is not there", c)
	}
	if seen < 80 {
		t.Errorf("only %d columns were looked at", seen)
	}
}

// Every column counts: whatever is changed, the digest is another one.
func TestDigestSeesEveryChange(t *testing.T) {
	db := rows(t)
	before, _ := digest(t, db)
	seen := map[string]string{before: "as it was"}
	errUndo := errors.New("undo")
	for _, table := range schema.Tables {
		key := table.Columns[0]
		for _, c := range table.Columns {
			set := fmt.Sprintf(`coalesce("%s", '') || 'z'`, c)
			switch table.Name + "." + c {
			case "projects.name", "documents.id":
				continue // others refer to it
			case "memories.project", "state.project", "documents.project", "interactions.project":
				set = `'mill'`
			case "chunks.document":
				set = `'d2'`
			case "memories.type":
				set = `'identity'`
			case "memories.status":
				set = `'candidate'`
			case "memories.confidence":
				set = `0.125`
			case "projects.aliases", "memories.tags", "memories.metadata", "documents.tags", "documents.metadata", "chunks.heading", "interactions.metadata", "journal.before", "journal.after":
				set = `'["z"]'`
			case "memories.reinforced", "chunks.ordinal", "chunks.start", "chunks.end", "documents.size", "journal.seq":
				set = fmt.Sprintf(`"%s" + 1000`, c)
			case "documents.kept":
				set = `1 - kept`
			}
			err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
				n, err := tx.Exec(fmt.Sprintf(`UPDATE %[1]s SET "%[2]s" = %[3]s WHERE "%[4]s" = (SELECT min("%[4]s") FROM %[1]s)`, table.Name, c, set, key))
				if err != nil || n != 1 {
					return fmt.Errorf("%d rows changed: %w", n, err)
				}
				d, _, err := schema.Digest(tx)
				if err != nil {
					return err
				}
				if other, ok := seen[d]; ok {
					t.Errorf("with another %s.%s the digest is the one of the store %s", table.Name, c, other)
				}
				seen[d] = "with another " + table.Name + "." + c
				return errUndo
			})
			if !errors.Is(err, errUndo) {
				t.Errorf("%s.%s: %v", table.Name, c, err)
			}
		}
	}
	if after, _ := digest(t, db); after != before {
		t.Error("the store was not put back")
	}
	if len(seen) < 70 {
		t.Errorf("only %d changes were tried", len(seen))
	}
}

// Values that look alike when they are written one after the other do not give
// one digest.
func TestDigestKeepsValuesApart(t *testing.T) {
	seen := map[string]string{}
	for _, insert := range []string{
		`('a', 'bc', 'd', 'e')`,
		`('ab', 'c', 'd', 'e')`,
		`('a', 'bc', 'de', '')`,
		`('a', 'bc', '', 'de')`,
		`('a', 'bc', 'd', 'e'), ('b', '', '', '')`,
		`('a', 'bc', 'd', 'e'), ('b', '', '', ' ')`,
		`('1', 'bc', 'd', 'e')`,
	} {
		db := open(t)
		if err := db.Write(t.Context(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`INSERT INTO tombstones (id, entity, reason, forgotten_at) VALUES ` + insert)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		d, _ := digest(t, db)
		if other, ok := seen[d]; ok {
			t.Errorf("%s has the digest of %s", insert, other)
		}
		seen[d] = insert
	}
}

// The digest does not depend on where rows lie, or on what was there before.
func TestDigestIsOfContentAlone(t *testing.T) {
	first := rows(t)
	want, _ := digest(t, first)
	second := open(t)
	script, err := os.ReadFile("testdata/rows.sql")
	if err != nil {
		t.Fatal(err)
	}
	write := func(fn func(tx *sqlite.Tx) error) {
		t.Helper()
		if err := second.Write(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	// Other rows before it, which go, so that rowids and pages differ; and
	// things that are derived.
	write(func(tx *sqlite.Tx) error {
		for i := range 200 {
			if _, err := tx.Exec(`INSERT INTO journal (time, actor, op, entity, entity_id) VALUES ('t', 'a', 'o', 'e', ?)`, strings.Repeat("x", i)); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO interactions (id, session, turn, client, actor, prompt, response, metadata, created_at) VALUES (?, '', '', '', '', ?, '', '{}', '')`,
				fmt.Sprint("gone", i), strings.Repeat("y", 100*i)); err != nil {
				return err
			}
		}
		return nil
	})
	write(func(tx *sqlite.Tx) error { return tx.ExecScript(`DELETE FROM journal; DELETE FROM interactions;`) })
	write(func(tx *sqlite.Tx) error { return tx.ExecScript(string(script)) })
	write(func(tx *sqlite.Tx) error {
		return tx.ExecScript(`INSERT INTO meta VALUES ('k', 'v'); INSERT INTO embedding_queue VALUES (1); INSERT INTO unit_terms (unit, terms) VALUES (1, x'00');`)
	})
	if got, _ := digest(t, second); got != want {
		t.Errorf("got digest %s, want %s", got, want)
	}
}
