package atocore

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// An ImportRun is one run of Import that has written something.
type ImportRun struct {
	ID      string    `json:"id"`
	From    string    `json:"from"`
	Source  string    `json:"source"`
	Time    time.Time `json:"time"`
	Records int       `json:"records"` // that it added or updated
	Undone  bool      `json:"undone"`
}

// Imports lists the runs of Import, newest first, those that broke off half-way
// included. They are kept in the journal, and known wherever that is.
func (s *Store) Imports(ctx context.Context) ([]ImportRun, error) {
	list := []ImportRun{}
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		runs, err := importRuns(tx, importPrefix, importPrefix+"\U0010ffff")
		for _, run := range runs {
			list = append(list, run.ImportRun)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	slices.Reverse(list)
	return list, nil
}

// An importRun is a run with what the journal has of it.
type importRun struct {
	ImportRun
	batches []importedSpan
}

// An importedSpan is a transaction of a run: its entries are from First to last.
type importedSpan struct {
	importedBatch
	last int64
}

// importRuns reads the runs whose IDs in the journal are from least to most, oldest
// first. The index of the journal's IDs leads straight to them.
func importRuns(tx *sqlite.Tx, least, most string) (runs []importRun, err error) {
	for r, err := range tx.Query(`SELECT seq, time, op, entity_id, after FROM journal
		WHERE entity_id >= ? AND entity_id <= ? AND entity = 'import'
		ORDER BY entity_id, seq`, least, most) {
		if err != nil {
			return nil, err
		}
		id := strings.TrimPrefix(r.Text(3), importPrefix)
		if len(runs) == 0 || runs[len(runs)-1].ID != id {
			runs = append(runs, importRun{ImportRun: ImportRun{ID: id, Time: parseTime(r.Text(1))}})
		}
		run := &runs[len(runs)-1]
		if r.Text(2) == opUndoImport {
			run.Undone = true
			continue
		}
		span := importedSpan{last: r.Int64(0)}
		if err := json.Unmarshal([]byte(r.Text(4)), &span.importedBatch); err != nil {
			return nil, fmt.Errorf("import %s: %w: %w", id, ErrCorrupt, err)
		}
		run.From, run.Source = span.From, span.Source
		run.Records += span.Records
		run.batches = append(run.batches, span)
	}
	return runs, nil
}

// The operations of the journal that are an import's.
const (
	opImport     = "import"
	opUndoImport = "undo_import"
)

// UndoReport says what UndoImport did.
type UndoReport struct {
	ID       string          `json:"id"`
	Removed  int             `json:"removed"`  // records that the run had added
	Restored int             `json:"restored"` // records that it had updated
	Kept     []SkippedRecord `json:"kept"`     // records that stay as they are, by ID, and why
}

// UndoImport takes back what a run of Import did, in one transaction: it removes what
// the run added and gives what it updated its former content. A record that has been
// changed since stays as it is and is reported; one that is gone already is not. An
// empty id is the newest run that is not undone. The history keeps all of it; Forget removes that.
//
// It fails with ErrNotFound where there is no such run, and with ErrConflict where it
// has been undone before. Importing again after it adds again.
func (s *Store) UndoImport(ctx context.Context, id string) (UndoReport, error) {
	var report UndoReport
	var sums []string
	err := s.write(ctx, nil, func(c *change) error {
		run, err := importToUndo(c.tx, id)
		if err != nil {
			return err
		}
		u := undo{change: c, report: UndoReport{ID: run.ID, Kept: []SkippedRecord{}}}
		if err := u.run(run); err != nil {
			return err
		}
		report, sums = u.report, u.sums
		return nil
	})
	if err != nil {
		return UndoReport{Kept: []SkippedRecord{}}, fmt.Errorf("undo import: %w", err)
	}
	s.sweepReplaced(ctx, sums)
	if report.Restored > 0 {
		if _, err := s.EmbedPending(ctx); err != nil {
			s.log.WarnContext(ctx, "undo import: vectors are left for later", "error", err)
		}
	}
	return report, nil
}

// importToUndo finds a run that is not undone.
func importToUndo(tx *sqlite.Tx, id string) (importRun, error) {
	if id == "" {
		_, err := tx.QueryRow(func(r sqlite.Row) { id = strings.TrimPrefix(r.Text(0), importPrefix) },
			`SELECT entity_id FROM journal AS j
			WHERE entity_id >= ? AND entity_id <= ? AND entity = 'import'
				AND NOT EXISTS (SELECT 1 FROM journal AS u WHERE u.entity_id = j.entity_id AND u.entity = 'import' AND u.op = 'undo_import')
			ORDER BY entity_id DESC
			LIMIT 1`, importPrefix, importPrefix+"\U0010ffff")
		if err != nil {
			return importRun{}, err
		}
		if id == "" {
			return importRun{}, &NotFoundError{Kind: "import", ID: "newest", Hint: "nothing has been imported into this store, or all of it is undone"}
		}
	}
	runs, err := importRuns(tx, importActor(id), importActor(id))
	switch {
	case err != nil:
		return importRun{}, err
	case len(runs) == 0:
		return importRun{}, &NotFoundError{Kind: "import", ID: id, Hint: "list the imports"}
	case runs[0].Undone:
		return importRun{}, conflictError("import " + id + " has been undone already")
	}
	return runs[0], nil
}

// undo is one call of UndoImport.
type undo struct {
	*change
	report UndoReport
	sums   []string // originals that may no longer be needed
}

// An imported record is one that a run has written, and the first and the last of the
// entries that it made of it.
type importedRecord struct {
	entity, id  string
	first, last int64
}

func (u *undo) run(run importRun) error {
	records, err := u.records(run)
	if err != nil {
		return err
	}
	// Backwards, since a record may stand where another one stood before.
	for _, rec := range slices.Backward(records) {
		if err := u.record(rec); err != nil {
			return fmt.Errorf("%s %s: %w", rec.entity, rec.id, err)
		}
	}
	for _, span := range run.batches {
		for _, p := range span.Probes {
			n, err := u.tx.Exec(`DELETE FROM probes WHERE query = ? AND project = ? AND created_at = ?`, p.Query, p.Project, timeText(p.CreatedAt))
			if err != nil {
				return err
			}
			u.report.Removed += int(n)
		}
	}
	// Projects have to wait for all that refers to them.
	for _, rec := range slices.Backward(records) {
		if rec.entity != entityProject {
			continue
		}
		if err := u.project(rec); err != nil {
			return fmt.Errorf("project %s: %w", rec.id, err)
		}
	}
	return u.journal(opUndoImport, entityImport, importActor(run.ID), nil, struct {
		Removed  int `json:"removed"`
		Restored int `json:"restored"`
	}{u.report.Removed, u.report.Restored})
}

// records lists what the run has written, in that order.
func (u *undo) records(run importRun) (list []importedRecord, err error) {
	at := map[string]int{}
	for _, span := range run.batches {
		for r, err := range u.tx.Query(`SELECT seq, entity, entity_id FROM journal
			WHERE seq >= ? AND seq < ? AND actor = ?
			ORDER BY seq`, span.First, span.last, importActor(run.ID)) {
			if err != nil {
				return nil, err
			}
			seq, entity, id := r.Int64(0), r.Text(1), r.Text(2)
			i, known := at[entity+" "+id]
			if !known {
				i = len(list)
				at[entity+" "+id] = i
				list = append(list, importedRecord{entity: entity, id: id, first: seq})
			}
			list[i].last = seq
		}
	}
	return list, nil
}

func (u *undo) keep(rec importedRecord, format string, args ...any) {
	u.report.Kept = append(u.report.Kept, SkippedRecord{Key: rec.id, Reason: fmt.Sprintf(format, args...)})
}

// touched reports whether the record is no longer as the run left it, and says so
// where it is still there.
func (u *undo) touched(rec importedRecord) (bool, error) {
	var e JournalEntry
	gone, same := false, false
	_, err := u.tx.QueryRow(func(r sqlite.Row) {
		e = JournalEntry{Time: parseTime(r.Text(0)), Actor: r.Text(1), Op: r.Text(2), Entity: r.Text(3)}
		gone, same = r.Bool(4) || e.Entity == entityTombstone, r.Bool(5)
	}, `SELECT time, actor, op, entity, after IS NULL, after = (SELECT after FROM journal WHERE seq = ?) FROM journal
		WHERE entity_id = ?
		ORDER BY seq DESC
		LIMIT 1`, rec.last, rec.id)
	if err != nil || same {
		return false, err
	}
	if !gone {
		u.keep(rec, "has been changed since: %s by %s, %s", e.Op, e.Actor, e.Time.Format(time.RFC3339))
	}
	return true, nil
}

// before is the entry that the run made first of a record.
func (u *undo) before(rec importedRecord) (e JournalEntry, err error) {
	_, err = u.tx.QueryRow(func(r sqlite.Row) { e = scanEntry(r) }, `SELECT `+journalColumns+` FROM journal WHERE seq = ?`, rec.first)
	e.After = e.Before // what decode reads
	return e, err
}

func (u *undo) record(rec importedRecord) error {
	if rec.entity == entityProject {
		return nil // comes last
	}
	if touched, err := u.touched(rec); err != nil || touched {
		return err
	}
	e, err := u.before(rec)
	switch {
	case err != nil:
		return err
	case e.Before == nil:
		return u.remove(rec)
	}
	ok := false
	switch rec.entity {
	case entityMemory:
		ok, err = u.restoreMemory(rec, e)
	case entityState:
		var was, now StateEntry
		if was, err = decode[StateEntry](e); err == nil {
			if now, _, err = stateByID(u.tx, rec.id); err == nil {
				ok, err = true, u.putState(opUndoImport, &now, &was)
			}
		}
	case entityInteraction:
		ok, err = u.restoreInteraction(rec, e)
	case entityDocument:
		ok, err = u.restoreDocument(rec)
	}
	if ok && err == nil {
		u.report.Restored++
	}
	return err
}

// remove removes a record that the run added.
func (u *undo) remove(rec importedRecord) error {
	now, err := recordByID(u.tx, rec.id)
	if err != nil {
		return err
	}
	if d, ok := now.(Document); ok && d.Kept {
		u.sums = append(u.sums, d.SHA256)
	}
	if err := u.deleteRecord(rec.entity, rec.id); err != nil {
		return err
	}
	u.report.Removed++
	return u.journal(opUndoImport, rec.entity, rec.id, now, nil)
}

func (u *undo) restoreMemory(rec importedRecord, e JournalEntry) (bool, error) {
	was, err := decode[Memory](e)
	if err != nil {
		return false, err
	}
	now, err := memoryByID(u.tx, rec.id)
	if err != nil {
		return false, err
	}
	if was.live() {
		other, found, err := liveMemory(u.tx, was.key())
		if err != nil {
			return false, err
		}
		if found && other.ID != was.ID {
			u.keep(rec, "memory %s says by now what it said before", other.ID)
			return false, nil
		}
	}
	return true, u.putMemory(opUndoImport, &now, &was)
}

func (u *undo) restoreInteraction(rec importedRecord, e JournalEntry) (bool, error) {
	was, err := decode[Interaction](e)
	if err != nil {
		return false, err
	}
	now, _, err := interactionByID(u.tx, rec.id)
	if err != nil {
		return false, err
	}
	other, same, err := interactionByTurn(u.tx, &was)
	if err != nil {
		return false, err
	}
	if same && other.ID != was.ID {
		u.keep(rec, "interaction %s is by now the turn that it was before", other.ID)
		return false, nil
	}
	return true, u.putInteraction(opUndoImport, &now, &was)
}

// restoreDocument takes the chunks from the entry before the run's: where a document
// is replaced, the journal does not repeat them.
func (u *undo) restoreDocument(rec importedRecord) (bool, error) {
	var e JournalEntry
	found, err := u.tx.QueryRow(func(r sqlite.Row) { e = scanEntry(r) }, `SELECT `+journalColumns+` FROM journal
		WHERE entity_id = ? AND entity = 'document' AND seq < ? AND after IS NOT NULL
		ORDER BY seq DESC
		LIMIT 1`, rec.id, rec.first)
	if err != nil {
		return false, err
	}
	if !found {
		u.keep(rec, "its former text is not in the journal")
		return false, nil
	}
	was, err := decode[documentRecord](e)
	if err != nil {
		return false, err
	}
	now, _, err := documentByID(u.tx, rec.id)
	if err != nil {
		return false, err
	}
	other, found, err := documentByPath(u.tx, was.Project, was.Origin, was.Path)
	if err != nil {
		return false, err
	}
	if found && other.ID != was.ID {
		u.keep(rec, "document %s has by now the path that it had before", other.ID)
		return false, nil
	}
	if was.Kept {
		if info, err := os.Stat(u.s.originalPath(was.SHA256)); err != nil || info.Size() != was.Size {
			was.Kept = false
			u.keep(rec, "has its former text again, without the original, which is no longer kept")
		}
	}
	if now.Kept && now.SHA256 != was.SHA256 {
		u.sums = append(u.sums, now.SHA256)
	}
	if err := u.writeDocument(&was); err != nil {
		return false, err
	}
	return true, u.journal(opUndoImport, entityDocument, was.ID, &now, &was)
}

// project removes or restores a project that the run has written.
func (u *undo) project(rec importedRecord) error {
	if touched, err := u.touched(rec); err != nil || touched {
		return err
	}
	e, err := u.before(rec)
	if err != nil {
		return err
	}
	now, err := projectByName(u.tx, rec.id)
	if err != nil {
		return err
	}
	if e.Before != nil {
		was, err := decode[Project](e)
		if err != nil {
			return err
		}
		u.report.Restored++
		return u.putProject(opUndoImport, &now, &was)
	}
	used, err := u.tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 WHERE
		EXISTS (SELECT 1 FROM memories WHERE project = ?1)
		OR EXISTS (SELECT 1 FROM state WHERE project = ?1)
		OR EXISTS (SELECT 1 FROM documents WHERE project = ?1)
		OR EXISTS (SELECT 1 FROM interactions WHERE project = ?1)
		OR EXISTS (SELECT 1 FROM probes WHERE project = ?1)`, rec.id)
	if err != nil {
		return err
	}
	if used {
		u.keep(rec, "has records by now that the import has not brought")
		return nil
	}
	if err := u.deleteRecord(entityProject, rec.id); err != nil {
		return err
	}
	u.report.Removed++
	return u.journal(opUndoImport, entityProject, rec.id, &now, nil)
}
