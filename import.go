package atocore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/atocore/atocore/internal/sqlite"
)

// ImportOptions configures Store.Import. A nil *ImportOptions consists entirely of
// default values.
type ImportOptions struct {
	// From is what the records come from: "chroma", …; empty is "jsonl". Together
	// with a record's key it tells which record of the store it is.
	From    string
	Source  string // where that is, for people: a path
	Project string // for new records without one; it is made where it is missing

	// DryRun finds out what would be done and does nothing. It holds the write lock
	// meanwhile: other writers wait.
	DryRun bool

	// Each is called with what becomes of each record, in order, from the calling
	// goroutine, and, without DryRun, when it is on the disk. With DryRun it must not
	// use the store.
	Each func(ImportChange)
}

// What an import does with a record.
const (
	actionAdd       = "add"
	actionUpdate    = "update"
	actionUnchanged = "unchanged"
	actionSkip      = "skip"
)

// An ImportChange says what an import does with one record.
type ImportChange struct {
	Action string `json:"action"` // "add", "update", "unchanged", "skip"
	Entity string `json:"entity"` // "memory", …; empty where the record could not be read
	ID     string `json:"id,omitempty"`
	Key    string `json:"key,omitempty"`    // of the record, or else what names it
	Reason string `json:"reason,omitempty"` // why it is skipped, or unchanged though it is not the same
	Before string `json:"before,omitempty"` // of an update: what it says, or the fields that differ
	After  string `json:"after,omitempty"`  // what it says then; of a document that is added, its title or path
}

// An ImportReport says what Import did.
type ImportReport struct {
	ID        string          `json:"id,omitempty"` // for UndoImport; empty where nothing was written
	DryRun    bool            `json:"dry_run"`
	Added     int             `json:"added"`
	Updated   int             `json:"updated"`
	Unchanged int             `json:"unchanged"`
	Skipped   []SkippedRecord `json:"skipped"`
	Projects  []string        `json:"projects"` // that were made because records are of them

	// Elsewhere counts records without a project of their own that the store has in
	// another one than ImportOptions.Project: they stay there.
	Elsewhere int `json:"elsewhere,omitempty"`
}

// A SkippedRecord is one that Import left out, and why.
type SkippedRecord struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

const (
	// A transaction takes records together up to these bounds, so that they share
	// its sync and other writers wait briefly.
	importBatchRecords = 256
	importBatchBytes   = 1 << 20
)

// Import writes records: those of ReadRecords, or of another program. The sequence
// is read to its end before the first of them is written, so that one that breaks off
// with an error writes nothing. Then they are written in transactions of some hundred.
// Where that fails half-way, the report says what is in, and running the import again
// adds the rest.
//
// A record with an ID keeps it, and its times. Where the store has it, an equal one
// is unchanged, one whose UpdatedAt is before the store's is skipped, and any other is
// an update. A record without an ID has one made of its key, o.From and its time, or
// where it has no key, of its content: running an import twice adds nothing, and what
// has changed in the source meanwhile is changed in the store, unless it has been
// changed there as well. State is found by its project, category and key, a document
// by its project, origin and path, a project by its name, whatever their IDs.
//
// Skipped, with the reason, are records that the store would not take from anybody,
// those that were forgotten here, and memories that say what was withdrawn or replaced
// here since they were said. A memory that says what another live one of the type and
// project says is unchanged; that one is not reinforced. Projects that are mentioned
// and missing are made.
//
// A record without a project is of o.Project when it is added. Where the store has it
// already it stays in the project that it is in, and is counted as Elsewhere where that
// is another one: an import that is run again with another project moves nothing.
//
// Vectors are made last; their failure is no failure of the import.
func (s *Store) Import(ctx context.Context, records iter.Seq2[Record, error], o *ImportOptions) (ImportReport, error) {
	im := &importer{s: s, seen: map[string]bool{}, report: ImportReport{Skipped: []SkippedRecord{}, Projects: []string{}}}
	if o != nil {
		im.o = *o
	}
	im.o.From = firstOf(im.o.From, "jsonl")
	im.report.DryRun = im.o.DryRun
	err := im.run(ctx, records)
	if err != nil {
		return im.report, fmt.Errorf("import: %w", err)
	}
	return im.report, nil
}

// An importer is one run of Import.
type importer struct {
	s         *Store
	o         ImportOptions
	id        string
	report    ImportReport
	withdrawn map[string]withdrawal // by content key; as the store was before
	seen      map[string]bool       // IDs of records that it has dealt with
	replaced  []string              // originals that may no longer be needed
}

// A batch is what one transaction of an import does.
type importBatch struct {
	*change
	im        *importer
	changes   []ImportChange
	projects  []string
	replaced  []string
	elsewhere int
	written   importedBatch
}

// An importedBatch is what the journal says of a transaction of an import, in the
// entry that ends it. From these entries a run is known.
type importedBatch struct {
	From    string  `json:"from"`
	Source  string  `json:"source,omitempty"`
	First   int64   `json:"first"`            // the first entry of the transaction
	Records int     `json:"records"`          // that it wrote
	Probes  []Probe `json:"probes,omitempty"` // that it added: they have no entries
}

// importActor is the actor of a run's entries, and the ID of those of the run itself.
func importActor(id string) string { return importPrefix + id }

const importPrefix = "import:"

func (im *importer) run(ctx context.Context, records iter.Seq2[Record, error]) error {
	if err := firstError(
		checkName("from", im.o.From),
		checkName("source", im.o.Source),
		checkProjectName(im.o.Project),
	); err != nil {
		return err
	}
	spool, err := im.spool(ctx, records)
	if err != nil {
		return err
	}
	defer spool.close()
	im.id = im.s.newID()
	if im.o.DryRun {
		return im.rehearse(ctx, spool)
	}
	for more := true; more; {
		if more, err = im.writeBatch(ctx, spool); err != nil {
			break
		}
	}
	im.s.sweepReplaced(context.WithoutCancel(ctx), im.replaced)
	if err != nil {
		return err
	}
	if im.report.ID != "" {
		if _, err := im.s.EmbedPending(ctx); err != nil {
			im.s.log.WarnContext(ctx, "import: vectors are left for later", "error", err)
		}
	}
	return nil
}

// errRehearsed takes back what a dry run has written.
var errRehearsed = errors.New("rehearsed")

// rehearse does everything in one transaction that is taken back.
func (im *importer) rehearse(ctx context.Context, spool *recordSpool) error {
	err := im.s.write(ctx, nil, func(c *change) error {
		c.dry, c.actor = true, importActor(im.id)
		for {
			b := &importBatch{change: c, im: im}
			more, err := b.take(ctx, spool)
			if err != nil {
				return err
			}
			im.tell(b)
			if !more {
				return errRehearsed
			}
		}
	})
	if errors.Is(err, errRehearsed) {
		return nil
	}
	return err
}

// writeBatch writes the next records in one transaction.
func (im *importer) writeBatch(ctx context.Context, spool *recordSpool) (more bool, err error) {
	var b *importBatch
	err = im.s.write(ctx, nil, func(c *change) error {
		who := c.actor
		last, err := lastEntry(c.tx)
		if err != nil {
			return err
		}
		b = &importBatch{change: c, im: im, written: importedBatch{From: im.o.From, Source: im.o.Source, First: last + 1}}
		c.actor = importActor(im.id)
		if more, err = b.take(ctx, spool); err != nil {
			return err
		}
		if b.written.Records == 0 && len(b.projects) == 0 {
			return nil
		}
		c.actor = who
		return c.journal(opImport, entityImport, importActor(im.id), nil, b.written)
	})
	if err != nil {
		return false, err
	}
	if b.written.Records > 0 || len(b.projects) > 0 {
		im.report.ID = im.id
	}
	im.replaced = append(im.replaced, b.replaced...)
	im.tell(b)
	return more, nil
}

// tell adds a batch to the report.
func (im *importer) tell(b *importBatch) {
	im.report.Projects = append(im.report.Projects, b.projects...)
	im.report.Elsewhere += b.elsewhere
	for _, c := range b.changes {
		switch c.Action {
		case actionAdd:
			im.report.Added++
		case actionUpdate:
			im.report.Updated++
		case actionUnchanged:
			im.report.Unchanged++
		case actionSkip:
			im.report.Skipped = append(im.report.Skipped, SkippedRecord{Key: c.Key, Reason: c.Reason})
		}
		if im.o.Each != nil {
			im.o.Each(c)
		}
	}
}

// take deals with records until the batch is full, and reports whether there are
// more.
func (b *importBatch) take(ctx context.Context, spool *recordSpool) (more bool, err error) {
	if b.im.withdrawn == nil {
		if b.im.withdrawn, err = withdrawals(b.tx); err != nil {
			return false, err
		}
	}
	for size := int64(0); len(b.changes) < importBatchRecords && size < importBatchBytes; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		rec, n, err := spool.next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		size += int64(n)
		if rec.Skip != nil {
			b.changes = append(b.changes, *rec.Skip)
			continue
		}
		ch, err := b.record(rec.Record)
		if err != nil {
			return false, fmt.Errorf("record %s: %w", rec.Record.label(), err)
		}
		ch.Entity, _ = rec.Record.entity() // it was looked at before
		ch.Key = rec.Record.label()
		if ch.Action == actionAdd || ch.Action == actionUpdate {
			b.written.Records++
		}
		if ch.Action == actionAdd {
			ch.After = rec.Record.says()
		}
		if ch.Action != actionSkip && ch.Reason == "" { // else it is another record
			b.im.seen[ch.ID] = true
		}
		b.changes = append(b.changes, ch)
	}
	return true, nil
}

// A recordSpool is a file with records that have been read to the end and found to
// be in their bounds. Nobody else can open it.
type recordSpool struct {
	f  *os.File
	in *bufio.Reader
}

// A spooledRecord is a record, or what is to be said of one that is left out.
type spooledRecord struct {
	Record Record        `json:"record,omitzero"`
	Skip   *ImportChange `json:"skip,omitempty"`
}

// spool reads the sequence to its end.
func (im *importer) spool(ctx context.Context, records iter.Seq2[Record, error]) (_ *recordSpool, err error) {
	// In the data directory there is room for what it is to take, and nobody else
	// reads there. It goes with the process, where the system lets an open file
	// have no name.
	f, err := os.CreateTemp(im.s.dir, ".import-*")
	if err != nil {
		return nil, sqlite.FileError("import", im.s.dir, err)
	}
	sp := &recordSpool{f: f}
	_ = os.Remove(f.Name())
	defer func() {
		if err != nil {
			sp.close()
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	enc := json.NewEncoder(w)
	for rec, err := range records {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return nil, ctxErr
		}
		var bad *RecordError
		var out spooledRecord
		switch {
		case errors.As(err, &bad):
			out.Skip = &ImportChange{Action: actionSkip, Key: bad.Key, Reason: bad.Err.Error()}
		case err != nil:
			return nil, err
		default:
			ready, err := rec.prepare(im.o.Project)
			if err != nil {
				entity, _ := rec.entity() // "" is right where there is none
				out.Skip = &ImportChange{Action: actionSkip, Entity: entity, Key: rec.label(), Reason: err.Error()}
				break
			}
			out.Record = ready
		}
		if err := enc.Encode(out); err != nil {
			return nil, sqlite.FileError("import", f.Name(), err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, sqlite.FileError("import", f.Name(), err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, sqlite.FileError("import", f.Name(), err)
	}
	sp.in = bufio.NewReaderSize(f, 64<<10)
	return sp, nil
}

// next gives the next record and its size. io.EOF is the end.
func (sp *recordSpool) next() (rec spooledRecord, size int, err error) {
	line, err := sp.in.ReadBytes('\n')
	if err != nil {
		return rec, 0, err
	}
	return rec, len(line), json.Unmarshal(line, &rec)
}

func (sp *recordSpool) close() {
	_ = sp.f.Close()           // it was only read since it was written
	_ = os.Remove(sp.f.Name()) // where it could not be removed while it was open
}
