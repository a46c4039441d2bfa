package atocore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// exportVersion is the version of the form that Export writes. It is raised when a
// reader of the version before would lose something.
const exportVersion = 1

// What an export has.
const (
	contentRecords = "records"
	contentJournal = "journal"
)

// ExportOptions configures Store.Export. A nil *ExportOptions, like a zero one, is
// every record.
type ExportOptions struct {
	Project string // a project's name or alias: only it and what belongs to it; empty is everything
	Journal bool   // the journal instead of the records
}

// An ExportHeader is the first line of an export.
type ExportHeader struct {
	Version int       `json:"atocore_export"` // of the form; 1
	Content string    `json:"content"`        // "records" or "journal"
	Schema  int       `json:"schema"`         // of the store
	Created time.Time `json:"created"`
	Digest  string    `json:"digest"`            // of the store; see Store.Digest
	Project string    `json:"project,omitempty"` // the only one that it has
}

// An ExportReport counts what Export wrote.
type ExportReport struct {
	Records map[string]int `json:"records"` // lines by what they hold: "memory", "document", …, of a journal "entry" and "original"
	Bytes   int64          `json:"bytes"`

	// Missing lists the documents whose originals should be kept, and are not
	// there or are damaged: they are exported without.
	Missing []string `json:"missing"`
}

// Export writes what the store holds as JSON Lines, from one consistent view: a line
// that says what it is, one for each record, and a last one by which a reader sees
// whether something is missing. Import takes the records into another store, or back
// into this one, and nothing is lost on the way: IDs, times, status, chains,
// originals. Tombstones, drills and vectors are not among the records.
//
// With o.Journal it writes the journal instead, with originals and probes beside it,
// from which ReplayExport makes a store with the same digest.
//
// What has been written when it fails is no export: it has no last line. It fails
// with ErrNotFound where there is no such project, before it writes anything. The
// form is on the page docs/export.md.
func (s *Store) Export(ctx context.Context, w io.Writer, o *ExportOptions) (ExportReport, error) {
	var opts ExportOptions
	if o != nil {
		opts = *o
	}
	e := &exporter{s: s, w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New(), report: ExportReport{Records: map[string]int{}, Missing: []string{}}}
	if opts.Journal && opts.Project != "" {
		return e.report, fmt.Errorf("export: %w", invalid("project", "is given, and the journal is of all projects", "leave one of them out"))
	}
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		e.tx = tx
		return e.export(opts)
	})
	if err == nil {
		err = e.w.Flush()
	}
	if err != nil {
		return e.report, fmt.Errorf("export: %w", err)
	}
	return e.report, nil
}

type exporter struct {
	s      *Store
	tx     *sqlite.Tx
	w      *bufio.Writer
	sum    hash.Hash
	buf    bytes.Buffer
	report ExportReport
}

// A trailer is the last line. Its hash is of every byte before it.
type trailer struct {
	Records map[string]int `json:"records"`
	SHA256  string         `json:"sha256"`
}

// exportLine is any line of an export but the first.
type exportLine struct {
	*Record
	Entry *JournalEntry `json:"entry,omitempty"`
	End   *trailer      `json:"end,omitempty"`
}

func (e *exporter) export(o ExportOptions) error {
	project, err := projectFilter(e.tx, o.Project)
	if err != nil {
		return err
	}
	header := ExportHeader{Version: exportVersion, Content: contentRecords, Created: e.s.now(), Project: project}
	if o.Journal {
		header.Content = contentJournal
	}
	if header.Schema, err = schema.Version(e.tx); err != nil {
		return err
	}
	if header.Digest, _, err = schema.Digest(e.tx); err != nil {
		return err
	}
	if err := e.line(header); err != nil {
		return err
	}
	if o.Journal {
		err = e.journal()
	} else {
		err = e.records(project)
	}
	if err != nil {
		return err
	}
	return e.line(exportLine{End: &trailer{Records: e.report.Records, SHA256: hex.EncodeToString(e.sum.Sum(nil))}})
}

// line writes v as one line.
func (e *exporter) line(v any) error {
	e.buf.Reset()
	enc := json.NewEncoder(&e.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	e.sum.Write(e.buf.Bytes())
	e.report.Bytes += int64(e.buf.Len())
	_, err := e.w.Write(e.buf.Bytes())
	if e.buf.Cap() > 1<<20 {
		e.buf = bytes.Buffer{} // of a document with its original; most lines are short
	}
	return err
}

func (e *exporter) record(entity string, r Record) error {
	e.report.Records[entity]++
	return e.line(exportLine{Record: &r})
}

// records writes the records of a project, or all.
func (e *exporter) records(project string) error {
	for _, part := range []func(string) error{e.projects, e.state, e.memories, e.documents, e.interactions, e.probes} {
		if err := part(project); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) projects(project string) error {
	for r, err := range e.tx.Query(`SELECT `+projectColumns+` FROM projects WHERE ? = '' OR name = ? ORDER BY name`, project, project) {
		if err != nil {
			return err
		}
		p := scanProject(r)
		if err := e.record(entityProject, Record{Project: &p}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) state(project string) error {
	for st, err := range allState(e.tx) {
		if err != nil {
			return err
		}
		if project != "" && st.Project != project {
			continue
		}
		if err := e.record(entityState, Record{State: &st}); err != nil {
			return err
		}
	}
	return nil
}

// memories come oldest first, so that what replaces comes after what it replaces.
func (e *exporter) memories(project string) error {
	for m, err := range queryMemories(e.tx, `SELECT `+memoryColumns+` FROM memories WHERE ? = '' OR project = ? ORDER BY id`, project, project) {
		if err != nil {
			return err
		}
		if err := e.record(entityMemory, Record{Memory: &m}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) documents(project string) error {
	for r, err := range e.tx.Query(`SELECT `+documentColumns+` FROM documents
		WHERE ? = '' OR project = ?
		ORDER BY coalesce(project, ''), origin, path`, project, project) {
		if err != nil {
			return err
		}
		d := scanDocument(r)
		rec := Record{Document: &d}
		if rec.Chunks, err = chunksOf(e.tx, d.ID); err != nil {
			return err
		}
		if d.Kept {
			if rec.Original, err = e.original(d.SHA256, d.ID); err != nil {
				return err
			}
		}
		if err := e.record(entityDocument, rec); err != nil {
			return err
		}
	}
	return nil
}

// original reads what is kept of a source; nil where it is not there as it was.
func (e *exporter) original(sum, document string) ([]byte, error) {
	if !schema.IsSum(sum) {
		return nil, fmt.Errorf("document %s: %w: its hash is none", document, ErrCorrupt)
	}
	source, err := os.ReadFile(e.s.originalPath(sum))
	got := sha256.Sum256(source)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && hex.EncodeToString(got[:]) != sum:
		e.report.Missing = append(e.report.Missing, document)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("document %s: %w", document, err)
	}
	return source, nil
}

func (e *exporter) interactions(project string) error {
	for r, err := range e.tx.Query(`SELECT `+interactionColumns+` FROM interactions
		WHERE ? = '' OR project = ?
		ORDER BY created_at, id`, project, project) {
		if err != nil {
			return err
		}
		var i Interaction
		scanInteraction(r, &i)
		if err := e.record(entityInteraction, Record{Interaction: &i}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) probes(project string) error {
	list, err := probes(e.tx)
	if err != nil {
		return err
	}
	for _, p := range list {
		if project != "" && p.Project != project {
			continue
		}
		if err := e.record(entityProbe, Record{Probe: &p}); err != nil {
			return err
		}
	}
	return nil
}

// journal writes what a store can be made of again: the originals, which have to be
// there before a record refers to them, the journal, and the probes, which are not
// in it.
func (e *exporter) journal() error {
	for r, err := range e.tx.Query(`SELECT sha256, min(id) FROM documents WHERE kept = 1 GROUP BY sha256 ORDER BY sha256`) {
		if err != nil {
			return err
		}
		source, err := e.original(r.Text(0), r.Text(1))
		if err != nil {
			return err
		}
		if source == nil {
			continue
		}
		if err := e.record("original", Record{Original: source}); err != nil {
			return err
		}
	}
	for r, err := range e.tx.Query(`SELECT ` + journalColumns + ` FROM journal ORDER BY seq`) {
		if err != nil {
			return err
		}
		entry := scanEntry(r)
		e.report.Records["entry"]++
		if err := e.line(exportLine{Entry: &entry}); err != nil {
			return err
		}
	}
	return e.probes("")
}
