package atocore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atocore/atocore/internal/sqlite"
)

// IngestOptions configures Ingest. A nil *IngestOptions consists entirely of
// default values.
type IngestOptions struct {
	Project string // a project's name or alias; empty is global

	// Origin names the folder, so that a second run knows its documents
	// again. IngestPath sets it to the folder's absolute path.
	Origin string

	// Only restricts the run to these files and folders, slash-separated and
	// relative to the file system's root. Empty is everything.
	Only []string

	// Text lists further file name extensions, ".go" say, to read as plain
	// text. Markdown, .txt, .rst, .adoc, .org and names without an extension
	// are read without it.
	Text []string

	// Prune removes the documents of this project and Origin whose files are
	// no longer there. Files that are there and are hidden or cannot be read
	// keep theirs.
	Prune bool

	// KeepOriginals stores each source under the data directory's files/, by
	// its hash.
	KeepOriginals bool

	// MaxBytes bounds a file's size. 0 is 4 MiB; at most MaxDocumentBytes.
	MaxBytes int64

	// Progress is called after each file, in order, from the calling
	// goroutine.
	Progress func(IngestProgress)
}

// IngestProgress says how far a run of Ingest has come.
type IngestProgress struct {
	Path  string // the file just dealt with
	Done  int
	Total int
}

// An IngestReport says what a run of Ingest did, in files.
type IngestReport struct {
	Added     int           `json:"added"`
	Updated   int           `json:"updated"`
	Renamed   int           `json:"renamed"`
	Unchanged int           `json:"unchanged"`
	Removed   int           `json:"removed"`
	Skipped   []SkippedFile `json:"skipped"`
}

// A SkippedFile is one that Ingest left out, and why.
type SkippedFile struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

const (
	defaultMaxBytes = 4 << 20

	// A transaction takes the documents of a run together, so that they share
	// its sync, up to these bounds, so that other writers wait briefly.
	ingestBatchFiles = 32
	ingestBatchBytes = 1 << 20
)

// IngestPath ingests a folder or file of the operating system's file system.
// A file belongs to its folder, and a folder inside one that was ingested into
// the same project before belongs to that one; a folder above takes over the
// documents of what was ingested inside it. So each file is one document,
// however it is named. Symbolic links on the way to name are followed.
func (s *Store) IngestPath(ctx context.Context, name string, o *IngestOptions) (IngestReport, error) {
	var opts IngestOptions
	if o != nil {
		opts = *o
	}
	abs, err := filepath.Abs(name)
	if err == nil {
		// One folder has one name, whatever links lead to it.
		abs, err = filepath.EvalSymlinks(abs)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return IngestReport{}, fmt.Errorf("ingest: %w", &NotFoundError{Kind: "file", ID: name})
	}
	if err != nil {
		return IngestReport{}, fmt.Errorf("ingest: %w", err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return IngestReport{}, fmt.Errorf("ingest: %w", err)
	}
	root := abs
	if !info.IsDir() {
		root = filepath.Dir(abs)
		if ext := strings.ToLower(filepath.Ext(abs)); mediaType(abs, nil) == "" {
			// Who names a file means it.
			opts.Text = append(slices.Clone(opts.Text), ext)
		}
	}
	adopt := opts.Origin == ""
	if adopt {
		if opts.Origin, err = s.originOf(ctx, opts.Project, root); err != nil {
			return IngestReport{}, fmt.Errorf("ingest: %w", err)
		}
		root = filepath.FromSlash(opts.Origin)
	}
	if rel, err := filepath.Rel(root, abs); err == nil && rel != "." {
		rel = filepath.ToSlash(rel)
		if len(opts.Only) == 0 {
			opts.Only = []string{rel}
		} else {
			only := make([]string, len(opts.Only))
			for i, p := range opts.Only {
				only[i] = path.Join(rel, p)
			}
			opts.Only = only
		}
	}
	return s.ingest(ctx, os.DirFS(root), &opts, adopt)
}

// originOf finds the origin that dir, an absolute path, belongs to.
func (s *Store) originOf(ctx context.Context, project, dir string) (string, error) {
	origin := filepath.ToSlash(dir)
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		if project != "" {
			var err error
			if project, err = projectNamed(tx, project); err != nil {
				return err
			}
		}
		for r, err := range tx.Query(`SELECT DISTINCT origin FROM documents WHERE coalesce(project, '') = ? ORDER BY length(origin) DESC, origin`, project) {
			if err != nil {
				return err
			}
			if parent := r.Text(0); filepath.IsAbs(filepath.FromSlash(parent)) && within(origin, parent) {
				origin = parent
				return nil
			}
		}
		return nil
	})
	return origin, err
}

// within reports whether the slash-separated path name is dir or under it.
func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// Ingest reads the Markdown and plain text files of fsys and stores each as a
// document, cut into chunks along its headings. It is incremental: a file whose
// hash is known writes nothing, one that was renamed keeps its document's ID.
// Hidden files and folders and the store's own are passed over. A file that is not text, not
// UTF-8, too large or unreadable is reported in Skipped and the rest goes in.
//
// Cancelling ctx leaves whole documents; running it again goes on from there.
// It fails with ErrNotFound where the project does not exist.
func (s *Store) Ingest(ctx context.Context, fsys fs.FS, o *IngestOptions) (IngestReport, error) {
	return s.ingest(ctx, fsys, o, false)
}

func (s *Store) ingest(ctx context.Context, fsys fs.FS, o *IngestOptions, adopt bool) (IngestReport, error) {
	in := ingestion{s: s, fsys: fsys, adopt: adopt, report: IngestReport{Skipped: []SkippedFile{}}, there: map[string]bool{}, passed: map[string]bool{}, closed: map[string]bool{}}
	if o != nil {
		in.opts = *o
	}
	err := in.run(ctx)
	if err != nil {
		err = fmt.Errorf("ingest: %w", err)
	}
	bySkipped := func(a, b SkippedFile) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	}
	slices.SortFunc(in.report.Skipped, bySkipped)
	in.report.Skipped = slices.Compact(in.report.Skipped) // one that Only names twice
	if err == nil {
		// A program that ends with this call leaves no time to do it later.
		if err := s.measureTrust(ctx, false); err != nil {
			s.log.WarnContext(ctx, "how well the vectors find is not measured", "error", err)
		}
	}
	return in.report, err
}

// An ingestion is one run of Ingest.
type ingestion struct {
	s      *Store
	fsys   fs.FS
	opts   IngestOptions
	adopt  bool // whether documents of folders inside the origin are taken over
	report IngestReport
	done   int // files dealt with

	own    fs.FileInfo     // of the data directory
	only   map[string]bool // Options.Only
	files  []string        // to read, in order
	there  map[string]bool // the files that are there, read or not
	passed map[string]bool // what is hidden or a link, and not looked into
	closed map[string]bool // the folders that cannot be read

	known   map[string]Document // what the store has, by path under this origin
	waiting []waitingFile       // what is new or changed, until all files have been looked at
	gone    map[string]bool     // IDs of the documents whose files are no longer there
	batch   []pendingDocument
	size    int // of the batch, in bytes
}

// A waitingFile is new or changed. Whether it is a document that was renamed
// shows only when every file has been looked at.
type waitingFile struct {
	name, sha256 string
	before       *Document // what it is to replace
}

// A pendingDocument is read and parsed, and waits for its batch's transaction.
type pendingDocument struct {
	rec    documentRecord
	before *Document
	source []byte
}

func (in *ingestion) run(ctx context.Context) error {
	if in.opts.MaxBytes == 0 {
		in.opts.MaxBytes = defaultMaxBytes
	}
	if in.opts.MaxBytes < 0 || in.opts.MaxBytes > MaxDocumentBytes {
		return invalid("max_bytes", fmt.Sprintf("%d is out of range", in.opts.MaxBytes), fmt.Sprintf("use 1 to %d", MaxDocumentBytes))
	}
	if err := checkName("origin", in.opts.Origin); err != nil {
		return err
	}
	in.only = make(map[string]bool, len(in.opts.Only))
	for _, name := range in.opts.Only {
		in.only[name] = true
	}
	var err error
	if in.own, err = os.Stat(in.s.dir); err != nil {
		return err
	}
	if err := in.load(ctx); err != nil {
		return err
	}
	if err := in.walk(ctx); err != nil {
		return err
	}
	for _, name := range in.files {
		if err := in.look(ctx, name); err != nil {
			return err
		}
	}
	in.matchRenamed()
	for i := range in.waiting {
		if err := in.store(ctx, &in.waiting[i]); err != nil {
			return err
		}
	}
	if err := in.flush(ctx); err != nil {
		return err
	}
	if in.opts.Prune {
		return in.prune(ctx)
	}
	return nil
}

// progress reports a file as dealt with.
func (in *ingestion) progress(name string) {
	in.done++
	if in.opts.Progress != nil {
		in.opts.Progress(IngestProgress{Path: name, Done: in.done, Total: len(in.files)})
	}
}

// load reads what the store has of this project and origin.
func (in *ingestion) load(ctx context.Context) error {
	in.known = map[string]Document{}
	return in.s.read(ctx, func(tx *sqlite.Tx) error {
		if in.opts.Project != "" {
			var err error
			if in.opts.Project, err = projectNamed(tx, in.opts.Project); err != nil {
				return err
			}
		}
		for r, err := range tx.Query(`SELECT `+documentColumns+` FROM documents
			WHERE coalesce(project, '') = ? AND origin = ?
			ORDER BY path`, in.opts.Project, in.opts.Origin) {
			if err != nil {
				return err
			}
			d := scanDocument(r)
			in.known[d.Path] = d
		}
		if !in.adopt {
			return nil
		}
		inside := strings.TrimSuffix(in.opts.Origin, "/") + "/"
		for r, err := range tx.Query(`SELECT `+documentColumns+` FROM documents
			WHERE coalesce(project, '') = ? AND substr(origin, 1, length(?)) = ?
			ORDER BY origin, path`, in.opts.Project, inside, inside) {
			if err != nil {
				return err
			}
			d := scanDocument(r)
			name := path.Join(strings.TrimPrefix(d.Origin, inside), d.Path)
			if _, taken := in.known[name]; !taken && in.inScope(name) {
				in.known[name] = d
			}
		}
		return nil
	})
}

func (in *ingestion) skip(name, reason string) {
	in.report.Skipped = append(in.report.Skipped, SkippedFile{Path: name, Reason: reason})
}

// walk collects the files to read, and what is there at all.
func (in *ingestion) walk(ctx context.Context) error {
	roots := in.opts.Only
	if len(roots) == 0 {
		roots = []string{"."}
	}
	for _, root := range roots {
		if !fs.ValidPath(root) {
			return invalid("only", fmt.Sprintf("%q is not a clean relative path", root), "")
		}
		err := fs.WalkDir(in.fsys, root, func(name string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				if name == root {
					return err
				}
				in.closed[name] = true
				in.skip(name, "cannot be read: "+reason(err))
				if d != nil && d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			return in.visit(root, name, d)
		})
		switch {
		case err != nil && len(in.opts.Only) > 0 && errors.Is(err, fs.ErrNotExist):
			return &NotFoundError{Kind: "file", ID: root}
		case err != nil:
			return err
		}
	}
	slices.Sort(in.files)
	in.files = slices.Compact(in.files)
	return nil
}

func (in *ingestion) visit(root, name string, d fs.DirEntry) error {
	hidden := name != root && strings.HasPrefix(d.Name(), ".")
	switch {
	case hidden && d.IsDir():
		in.passed[name] = true
		return fs.SkipDir
	case hidden:
		in.passed[name] = true
		return nil
	case d.IsDir():
		if info, err := d.Info(); err == nil && os.SameFile(info, in.own) {
			in.closed[name] = true
			in.skip(name, "is the store's own directory")
			return fs.SkipDir
		}
		return nil
	}
	in.there[name] = true
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		in.passed[name] = true
		in.skip(name, "is a symbolic link")
	case !d.Type().IsRegular():
		in.skip(name, "is not a regular file")
	case checkName("", name) != nil:
		in.skip(name, "has a name that is too long or not one line of text")
	case mediaType(name, in.opts.Text) == "":
		in.skip(name, "is neither Markdown nor plain text by its name")
	default:
		in.files = append(in.files, name)
	}
	return nil
}

// reason is an error without the path, which the report has beside it.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// mediaType tells by its name what a file holds, or "" for what is not read.
func mediaType(name string, text []string) string {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".md", ".markdown", ".mdown", ".mkd", ".mdx", ".mkdn":
		return MediaMarkdown
	case "", ".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org":
		return MediaText
	}
	for _, t := range text {
		if ext == strings.ToLower(t) {
			return MediaText
		}
	}
	return ""
}
