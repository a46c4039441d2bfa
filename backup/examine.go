package backup

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// examine is the deep check: it reads a snapshot's database as a database. Whatever
// goes wrong is a finding; the error is that of ctx.
func (c Config) examine(ctx context.Context, dir string, m *Manifest) ([]Finding, error) {
	if !isPlain(filepath.Join(dir, DatabaseName)) {
		return nil, nil // which is a finding already
	}
	db, err := c.openCopy(ctx, dir)
	if err != nil {
		return c.notExamined(ctx, err)
	}
	defer func() { _ = db.Close() }() // nothing was written

	// SQLite's own checks read the whole file for one, the content is read for the
	// other: side by side they take little more than the longer of the two.
	var integrity []Finding
	var integrityErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		integrityErr = db.Read(ctx, func(tx *sqlite.Tx) (err error) {
			integrity, err = checkIntegrity(tx)
			return err
		})
	}()
	e := exam{m: m}
	contentErr := db.Read(ctx, func(tx *sqlite.Tx) error { return e.content(tx) })
	<-done

	all := integrity
	for _, err := range []error{integrityErr, contentErr} {
		if err == nil {
			continue
		}
		found, err := c.notExamined(ctx, err)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return append(all, e.found...), nil
}

// notExamined makes a finding of an error, unless it is ctx's.
func (c Config) notExamined(ctx context.Context, err error) ([]Finding, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return []Finding{finding(codeIntegrity, DatabaseName, "a database that can be read", reason(err))}, nil
}

// checkIntegrity has SQLite check the file, its full-text indexes included, and
// the references between rows.
func checkIntegrity(tx *sqlite.Tx) (found []Finding, err error) {
	for r, err := range tx.Query(`PRAGMA integrity_check`) {
		if err != nil {
			return found, err
		}
		for line := range strings.Lines(r.Text(0)) {
			line = strings.TrimSpace(line)
			switch {
			case line == "ok" || line == "" || strings.HasPrefix(line, "*** in database"):
			case strings.Contains(line, "FTS5 table"): // "malformed inverted index for FTS5 table …"
				found = append(found, finding(codeFTS, "fts", "ok", line))
			default:
				found = append(found, finding(codeIntegrity, DatabaseName, "ok", line))
			}
		}
	}
	type reference struct{ table, parent string }
	broken := map[reference]int{}
	for r, err := range tx.Query(`PRAGMA foreign_key_check`) {
		if err != nil {
			return found, err
		}
		broken[reference{r.Text(0), r.Text(2)}]++
	}
	for _, ref := range slices.SortedFunc(maps.Keys(broken), func(a, b reference) int {
		return strings.Compare(a.table+"\x00"+a.parent, b.table+"\x00"+b.parent)
	}) {
		found = append(found, finding(codeForeignKeys, ref.table, "a row of "+ref.parent+" for each reference",
			fmt.Sprintf("%d rows that refer to none", broken[ref])))
	}
	return found, nil
}

// An exam holds a snapshot's database against its manifest.
type exam struct {
	m     *Manifest
	found []Finding
}

func (e *exam) add(code, path, expected, found string) {
	e.found = append(e.found, finding(code, path, expected, found))
}

// content looks at everything that the manifest says. Its error is SQLite's.
func (e *exam) content(tx *sqlite.Tx) error {
	var id int64
	if _, err := tx.QueryRow(func(r sqlite.Row) { id = r.Int64(0) }, `SELECT application_id FROM pragma_application_id`); err != nil {
		return err
	}
	if int32(id) != schema.ApplicationID {
		e.add(codeForeign, DatabaseName, fmt.Sprintf("application id %d", schema.ApplicationID), fmt.Sprint(id))
		return nil
	}
	version, err := schema.Version(tx)
	if err != nil {
		return err
	}
	if version != e.m.Schema {
		e.add(codeSchemaMismatch, DatabaseName, fmt.Sprintf("schema %d", e.m.Schema), fmt.Sprintf("schema %d", version))
	}
	known := version <= len(schema.Migrations())
	if !known {
		e.found = append(e.found, newer(version))
	}
	whole, err := e.tables(tx, version, known)
	if err != nil || !known || !whole {
		return err // what follows needs the tables
	}
	for _, step := range []func(*sqlite.Tx) error{e.space, e.originals, e.parity, e.digest} {
		if err := step(tx); err != nil {
			return err
		}
	}
	return nil
}

// tables compares tables and rows, and reports whether all tables are there.
func (e *exam) tables(tx *sqlite.Tx, version int, known bool) (whole bool, err error) {
	counts, err := schema.Counts(tx)
	if err != nil {
		return false, err
	}
	got := make(map[string]int64, len(counts))
	for name, n := range counts {
		got[printable(name)] = n
	}
	// Those that the manifest forgets must be there as well.
	names := slices.Collect(maps.Keys(e.m.Counts))
	if known {
		names = append(names, schema.TablesOf(version)...)
	}
	slices.Sort(names)
	whole = true
	for _, name := range slices.Compact(names) {
		want, listed := e.m.Counts[name]
		n, there := got[name]
		switch {
		case !there:
			whole = false
			e.add(codeTableMissing, name, fmt.Sprintf("a table of %d rows", want), "no table")
		case !listed:
			e.add(codeTableExtra, name, "no such table in the manifest", fmt.Sprintf("%d rows", n))
		case n != want:
			e.add(codeRowCount, name, fmt.Sprintf("%d rows", want), fmt.Sprintf("%d rows", n))
		}
		delete(got, name)
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		e.add(codeTableExtra, name, "no such table", fmt.Sprintf("%d rows", got[name]))
	}
	return whole, nil
}

func (e *exam) space(tx *sqlite.Tx) error {
	id, sp, err := schema.ActiveSpace(tx)
	if err != nil {
		return err
	}
	var got *Space
	if id != 0 {
		got = &Space{Name: sp.Name, Dimensions: sp.Dimensions, Fingerprint: sp.Fingerprint}
	}
	if want := e.m.Space; (got == nil) != (want == nil) || got != nil && *got != *want {
		e.add(codeSpace, "spaces", want.String(), got.String())
	}
	return nil
}

// originals asks for each original that a record refers to, unless it was missing
// or different in the store already.
func (e *exam) originals(tx *sqlite.Tx) error {
	known := map[string]bool{}
	for _, d := range e.m.Damaged {
		known[d.Path] = true
	}
	if known["documents"] {
		return nil // they could not be listed
	}
	originals, err := schema.Originals(tx)
	if err != nil {
		return err
	}
	for _, o := range originals {
		name := originalName(o.SHA256)
		f, ok := e.m.file(name)
		switch {
		case known[name]:
		case !ok:
			e.add(codeOriginalMissing, name, fmt.Sprintf("%d bytes", o.Size), "no file in the manifest")
		case f.SHA256 != o.SHA256:
			e.add(codeOriginalMissing, name, "SHA-256 "+o.SHA256, "SHA-256 "+f.SHA256)
		}
	}
	return nil
}

func (e *exam) parity(tx *sqlite.Tx) error {
	disparities, err := schema.Parity(tx)
	for _, d := range disparities {
		if d.Code == codeFTS {
			e.add(codeFTS, d.Table, "ok", d.Note)
			continue
		}
		e.add(codeParity, d.Table, "0 rows", fmt.Sprintf("%s: %d rows", d.Code, d.Rows))
	}
	return err
}

func (e *exam) digest(tx *sqlite.Tx) error {
	if e.m.Digest == "" {
		return nil // it could not be computed, which is among what was damaged
	}
	got, _, err := schema.Digest(tx)
	if err == nil && got != e.m.Digest {
		e.add(codeDigest, DatabaseName, e.m.Digest, got)
	}
	return err
}
