package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// Version gives the number of migrations that the database has seen.
func Version(tx *sqlite.Tx) (v int, err error) {
	_, err = tx.QueryRow(func(r sqlite.Row) { v = int(r.Int64(0)) }, `SELECT user_version FROM pragma_user_version`)
	return v, err
}

var dropped = regexp.MustCompile(`(?m)^DROP TABLE (\w+)`)

var created = regexp.MustCompile(`(?m)^CREATE (VIRTUAL )?TABLE (\w+)`)

// TablesOf lists the tables that a database of the version must have, in the order
// of their names, the fts5vocab one excepted, which holds nothing. Of a version
// that this program does not know it lists those of the newest that it knows.
func TablesOf(version int) []string {
	steps := Migrations()
	var names []string
	for _, m := range steps[:min(version, len(steps))] {
		for _, match := range dropped.FindAllStringSubmatch(m.SQL, -1) {
			names = slices.DeleteFunc(names, func(name string) bool { return name == match[1] })
		}
		for _, match := range created.FindAllStringSubmatch(m.SQL, -1) {
			if name := match[2]; name != "fts_terms" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Counts gives the number of rows of every table of the database, whatever its
// schema: ordinary tables and the full-text table, not what these consist of
// (shadow tables) nor SQLite's own.
func Counts(tx *sqlite.Tx) (map[string]int64, error) {
	var names []string
	counted := map[string]string{} // where the rows of a table are counted
	for r, err := range tx.Query(`SELECT t.name, t.type FROM pragma_table_list AS t JOIN sqlite_schema AS s ON s.name = t.name
		WHERE t.schema = 'main'
			AND (t.type = 'table' OR t.type = 'virtual' AND s.sql LIKE '%USING fts5 %')
			AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'
		ORDER BY t.name`) {
		if err != nil {
			return nil, err
		}
		name := r.Text(0)
		names = append(names, name)
		counted[name] = name
		if r.Text(1) == "virtual" {
			// FTS5 reads every text to count itself; it keeps one row here for each.
			counted[name] = name + "_docsize"
		}
	}
	counts := make(map[string]int64, len(names))
	for _, name := range names {
		quoted := `"` + strings.ReplaceAll(counted[name], `"`, `""`) + `"`
		if _, err := tx.QueryRow(func(r sqlite.Row) { counts[name] = r.Int64(0) }, `SELECT count(*) FROM `+quoted); err != nil {
			return nil, fmt.Errorf("count %s: %w", name, err)
		}
	}
	return counts, nil
}

// An Original is a file that a record says is kept under its hash.
type Original struct {
	SHA256 string // 64 lower-case hexadecimal digits
	Size   int64  // bytes
}

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// IsSum reports whether s can be the name of an original.
func IsSum(s string) bool { return hexSum.MatchString(s) }

// Originals lists what records refer to, by hash, each once. A hash that is none,
// which could lead to any file, is an error.
func Originals(tx *sqlite.Tx) ([]Original, error) {
	var all []Original
	for r, err := range tx.Query(`SELECT sha256, max(size) FROM documents WHERE kept = 1 GROUP BY sha256 ORDER BY sha256`) {
		if err != nil {
			return nil, err
		}
		o := Original{SHA256: r.Text(0), Size: r.Int64(1)}
		if !IsSum(o.SHA256) {
			return nil, fmt.Errorf("a document refers to the original %.80q, which is no hash", o.SHA256)
		}
		all = append(all, o)
	}
	return all, nil
}

// Space is the identity of an embedder.
type Space struct {
	Name        string
	Dimensions  int
	Fingerprint string
}

// ActiveSpace gives the space of the vectors that are searched, with its number,
// which is 0 where there is none.
func ActiveSpace(tx *sqlite.Tx) (id int64, sp Space, err error) {
	_, err = tx.QueryRow(func(r sqlite.Row) {
		id, sp = r.Int64(0), Space{Name: r.Text(1), Dimensions: int(r.Int64(2)), Fingerprint: r.Text(3)}
	}, `SELECT space, name, dimensions, fingerprint FROM spaces WHERE active = 1`)
	return id, sp, err
}

// A Disparity is a number of rows by which two tables that belong together differ.
type Disparity struct {
	Code  string // units_missing, units_orphaned, fts_parity, vectors_orphaned, vectors_missing
	Table string // the derived one
	Rows  int64
	Note  string // what was found, where that is not a number of rows
}

// Parity holds what is derived against what it is derived from: each record has
// its unit, each unit its full text, and its vector in the active space, a note
// that it has none, or a place in the queue; and none of them more. Nothing is
// reported of what agrees.
func Parity(tx *sqlite.Tx) ([]Disparity, error) {
	version, err := Version(tx)
	if err != nil {
		return nil, err
	}
	found, err := rowParity(tx, version)
	if err != nil || version < indexVersion {
		return found, err
	}
	absent, faults, err := index.Parity(tx)
	if err != nil {
		return nil, fmt.Errorf("fts_parity: %w", err)
	}
	if absent > 0 {
		found = append(found, Disparity{Code: "fts_parity", Table: "segments", Rows: absent})
	}
	for _, f := range faults {
		found = append(found, Disparity{Code: f.Code, Table: f.Table, Rows: 1, Note: f.Found})
	}
	return found, nil
}

// indexVersion is the schema from which on the full text is not FTS5's.
const indexVersion = 3

func rowParity(tx *sqlite.Tx, version int) ([]Disparity, error) {
	space, _, err := ActiveSpace(tx)
	if err != nil {
		return nil, err
	}
	const records = `(SELECT id FROM memories UNION ALL SELECT id FROM state UNION ALL SELECT id FROM chunks UNION ALL SELECT id FROM interactions)`
	var found []Disparity
	for _, c := range []struct {
		code, table, query string
		args               []any
	}{
		{"units_missing", "units", `SELECT count(*) FROM ` + records + ` AS r WHERE NOT EXISTS (SELECT 1 FROM units WHERE units.id = r.id)`, nil},
		{"units_orphaned", "units", `SELECT count(*) FROM units WHERE id NOT IN ` + records, nil},
		{"fts_parity", "fts", `SELECT (SELECT count(*) FROM units WHERE unit NOT IN (SELECT rowid FROM fts)) + (SELECT count(*) FROM fts WHERE rowid NOT IN (SELECT unit FROM units))`, nil},
		{"vectors_orphaned", "vectors", `SELECT count(*) FROM (SELECT unit FROM vectors UNION ALL SELECT unit FROM vectorless UNION ALL SELECT unit FROM embedding_queue)
			WHERE unit NOT IN (SELECT unit FROM units)`, nil},
		{"vectors_missing", "vectors", `SELECT count(*) FROM units
			WHERE ?1 <> 0
				AND NOT EXISTS (SELECT 1 FROM vectors AS v WHERE v.space = ?1 AND v.unit = units.unit)
				AND NOT EXISTS (SELECT 1 FROM vectorless AS n WHERE n.space = ?1 AND n.unit = units.unit)
				AND NOT EXISTS (SELECT 1 FROM embedding_queue AS q WHERE q.unit = units.unit)`, []any{space}},
	} {
		if c.code == "fts_parity" && version >= indexVersion {
			continue
		}
		d := Disparity{Code: c.code, Table: c.table}
		if _, err := tx.QueryRow(func(r sqlite.Row) { d.Rows = r.Int64(0) }, c.query, c.args...); err != nil {
			return nil, fmt.Errorf("%s: %w", c.code, err)
		}
		if d.Rows > 0 {
			found = append(found, d)
		}
	}
	return found, nil
}

// StripVectors removes all vectors and queues every unit, so that they are
// computed anew.
func StripVectors(tx *sqlite.Tx) error {
	version, err := Version(tx)
	if err != nil {
		return err
	}
	script := `DELETE FROM vectors;
		DELETE FROM vectorless;
		INSERT INTO embedding_queue (unit) SELECT unit FROM units WHERE true ON CONFLICT DO NOTHING;`
	if version >= indexVersion {
		script += `DELETE FROM codes; DELETE FROM code_means;`
	}
	return tx.ExecScript(script)
}
