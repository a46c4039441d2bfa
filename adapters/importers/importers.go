// Package importers reads what other programs keep and makes atocore's records of
// it, for [atocore.Store.Import]:
//
//	source, err := importers.Open(ctx, "chroma", "/srv/chroma", nil)
//	…
//	defer source.Close()
//	report, err := store.Import(ctx, source.Records(), &atocore.ImportOptions{From: source.From, Source: source.Path})
//
// A source is never changed, not by a byte, also where another program was killed
// on it or is writing to it: databases are copied, and the copy is read.
//
// Each record says where it comes from (Provenance, Origin, Client) and has a Key
// that is the same on the next run. What a source has and the store cannot keep is
// in [Source.Skipped], record by record; docs/importing.md says what becomes what.
package importers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/foreign"
)

// Options configures Open. A nil *Options consists entirely of default values.
type Options struct {
	// TempDir is where private copies of databases are made. Empty is the system's
	// directory for temporary files. They are as large as what they are of.
	TempDir string

	// CompileCache is as in atocore.Options.
	CompileCache string

	// Stdin is what the path "-" stands for, from jsonl. Nil is no input.
	Stdin io.Reader

	Logger *slog.Logger // nil is silent
}

// An importer reads one kind of source.
type importer struct {
	from  string
	about string // what its path is, for messages

	// files are the names that a directory is looked through for. Without any the
	// path is taken as it is.
	files []string

	// open opens the source. The path is absolute and there.
	open func(ctx context.Context, s *Source, path string, o *Options) error
}

// importers is the one table of what can be imported.
var importers = []importer{
	{from: "jsonl", about: "a file that export wrote, or -", open: openJSONL},
	{from: "chroma", about: "a Chroma directory, or its chroma.sqlite3", files: []string{"chroma.sqlite3"}, open: openChroma},
	{from: "mcp-memory", about: "the memory.jsonl of the MCP memory server", files: []string{"memory.jsonl", "memory.json"}, open: openMCPMemory},
	{from: "engram", about: "engram's directory, or its engram.db", files: []string{"engram.db"}, open: openEngram},
	{from: "claude-mem", about: "claude-mem's directory, or its claude-mem.db", files: []string{"claude-mem.db"}, open: openClaudeMem},
	{from: "markdown", about: "a folder of Markdown notes, or one note", open: openMarkdown},
}

// Names lists what Open takes as from.
func Names() []string {
	names := make([]string, len(importers))
	for i, im := range importers {
		names[i] = im.from
	}
	return names
}

// A Source is what can be imported. It is for one goroutine.
type Source struct {
	From string // as given to Open
	Path string // of the file or directory that is read, absolute; "-" is standard input

	records func(yield func(atocore.Record, error) bool)
	journal func() (*atocore.ExportReader, error) // nil where it is none
	close   func() error
	left    []*atocore.RecordError // not yet yielded
	notes   []string
	label   string // what the records' keys begin with
	about   string // what its path should be
}

// Open opens the source at path, which may be a symbolic link; from is one of Names.
//
// It fails with atocore.ErrInvalid where from is unknown or there is something else
// at path, atocore.ErrNotFound where there is nothing, atocore.ErrBusy where another
// program writes to it all the time, and atocore.ErrCorrupt.
func Open(ctx context.Context, from, path string, o *Options) (*Source, error) {
	if o == nil {
		o = &Options{}
	}
	i := slices.IndexFunc(importers, func(im importer) bool { return im.from == from })
	if i < 0 {
		return nil, &atocore.InvalidError{Field: "from", Reason: fmt.Sprintf("%q is nothing to import from", from), Hint: "use one of " + strings.Join(Names(), ", ")}
	}
	im := importers[i]
	s := &Source{From: from, Path: path, label: from, about: im.about, close: func() error { return nil }}
	if path != "-" || from != "jsonl" {
		var err error
		if s.Path, err = im.find(path); err != nil {
			return nil, err
		}
	}
	if err := im.open(ctx, s, s.Path, o); err != nil {
		return nil, errors.Join(im.explain(s.Path, err), s.Close())
	}
	return s, nil
}

// find makes the path absolute and goes from a directory to the file in it.
func (im *importer) find(path string) (string, error) {
	if path == "" {
		return "", &atocore.InvalidError{Field: "path", Reason: "is empty", Hint: "name " + im.about}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &atocore.NotFoundError{Kind: "path", ID: path, Hint: "name " + im.about}
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() || len(im.files) == 0 {
		return abs, nil
	}
	for _, name := range im.files {
		if _, err := os.Stat(filepath.Join(abs, name)); err == nil {
			return filepath.Join(abs, name), nil
		}
	}
	return "", &atocore.InvalidError{Field: "path", Reason: fmt.Sprintf("%s has no %s", path, strings.Join(im.files, " and no ")), Hint: "name " + im.about}
}

// explain makes an error about the source one that says what was expected.
func (im *importer) explain(path string, err error) error {
	missing, isMissing := errors.AsType[*foreign.MissingError](err)
	switch {
	case isMissing:
		return &atocore.InvalidError{Field: "path", Reason: fmt.Sprintf("%s is not a database of %s: %v", path, im.from, missing), Hint: "name " + im.about}
	case errors.Is(err, foreign.ErrNotADatabase):
		return &atocore.InvalidError{Field: "path", Reason: path + " is not an SQLite database", Hint: "name " + im.about}
	}
	return fmt.Errorf("import from %s: %w", im.from, err)
}

// Records yields what the source has, projects before what is in them. It can be
// called again. An *atocore.RecordError is of a record that is left out; any other
// error ends the sequence.
func (s *Source) Records() iter.Seq2[atocore.Record, error] {
	return func(yield func(atocore.Record, error) bool) {
		s.left, s.notes = nil, nil
		more := true
		put := func(r atocore.Record, err error) bool {
			for _, left := range s.left {
				if more = more && yield(atocore.Record{}, left); !more {
					return false
				}
			}
			s.left = nil
			more = more && yield(r, err)
			return more
		}
		s.records(put)
		for _, left := range s.left {
			if !more || !yield(atocore.Record{}, left) {
				return
			}
		}
	}
}

// IsJournal reports whether the source is the export of a journal, which is for
// Journal and not for Records.
func (s *Source) IsJournal() bool { return s.journal != nil }

// Journal returns the export of a journal, from its beginning, for
// Store.ReplayExport. It fails where IsJournal is false. What it returned before is
// then of no use any more.
func (s *Source) Journal() (*atocore.ExportReader, error) {
	if s.journal == nil {
		return nil, errors.New("the source has records, not a journal")
	}
	return s.journal()
}

// Notes lists what of the yielded records was left out or put in another way, a
// sentence each, complete when Records has come to its end.
func (s *Source) Notes() []string { return s.notes }

// Close releases the source and removes what was copied of it. It is idempotent.
func (s *Source) Close() error {
	done := s.close
	s.close = func() error { return nil }
	return done()
}

// skip leaves a record out. It is told before the next one.
func (s *Source) skip(key, reason string) {
	s.left = append(s.left, &atocore.RecordError{Key: key, Err: errors.New(reason)})
}

func (s *Source) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// database opens a foreign database and checks that it has the tables.
func (s *Source) database(ctx context.Context, path string, o *Options, tables ...foreign.Table) (*foreign.DB, error) {
	db, err := foreign.Open(ctx, path, &foreign.Options{TempDir: o.TempDir, CompileCache: o.CompileCache, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	s.close = db.Close
	return db, db.View(ctx, func(v *foreign.View) error { return v.Check(tables...) })
}

// view has read yield what is in one view of db.
func view(ctx context.Context, db *foreign.DB, read func(v *foreign.View, yield yielder) error) func(func(atocore.Record, error) bool) {
	return func(yield func(atocore.Record, error) bool) {
		err := db.View(ctx, func(v *foreign.View) error {
			return read(v, func(r atocore.Record) error {
				if !yield(r, nil) {
					return errEnough
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(atocore.Record{}, err)
		}
	}
}

// A yielder hands on a record. Its error ends the reading.
type yielder func(atocore.Record) error

// errEnough says that nobody wants more records.
var errEnough = errors.New("enough")
