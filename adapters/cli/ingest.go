package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/atocore/atocore"
)

type ingestCmd struct {
	Path []string `arg:"" help:"Folders and files."`

	Project       string   `placeholder:"P" help:"Project, by name or alias; none is global."`
	Prune         bool     `help:"Remove documents whose files are gone."`
	KeepOriginals bool     `help:"Keep a copy of each file in the store."`
	Text          []string `placeholder:".EXT" help:"Read files with this extension as plain text too; may be repeated."`
	MaxBytes      int64    `placeholder:"N" help:"Skip larger files. The default is 4 MiB."`
}

func (ingestCmd) Help() string {
	return `Takes Markdown and plain text. A file that has not changed since the last run writes nothing; one that cannot be read as text is skipped and reported. Each PATH adds to the counts; what is skipped is shown with its PATH where there are several. More than 10 files that are not text by their names are one line, and with --json a list.` + examples(
		`atocore ingest docs --project website`,
		`atocore ingest ~/notes README.md`,
		`atocore ingest docs --project website --prune --json`,
		`atocore ingest src --text .go,.sql`,
	)
}

func (c *ingestCmd) Run(ctx context.Context, s *session) error {
	// A wrong path must not leave the ones before it half done.
	for _, p := range c.Path {
		if err := checkPath(p); err != nil {
			return err
		}
	}
	var total atocore.IngestReport
	skipped := []skippedFile{}
	err := s.with(ctx, c.Project == "", func(store *atocore.Store) error {
		update, clear := s.progress("ingest")
		defer clear()
		for _, p := range c.Path {
			report, err := store.IngestPath(ctx, p, &atocore.IngestOptions{
				Project:       c.Project,
				Prune:         c.Prune,
				KeepOriginals: c.KeepOriginals,
				Text:          c.Text,
				MaxBytes:      c.MaxBytes,
				Progress:      func(p atocore.IngestProgress) { update(p.Done, p.Total) },
			})
			total.Added += report.Added
			total.Updated += report.Updated
			total.Renamed += report.Renamed
			total.Unchanged += report.Unchanged
			total.Removed += report.Removed
			total.Skipped = append(total.Skipped, report.Skipped...)
			for _, f := range report.Skipped {
				skipped = append(skipped, skippedFile{f, ""})
				if len(c.Path) > 1 {
					skipped[len(skipped)-1].Of = p
				}
			}
			if err != nil {
				if len(c.Path) > 1 {
					err = fmt.Errorf("%s: %w", p, err)
				}
				return &partIngestError{kept: counts(total), err: err}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	doc := struct {
		atocore.IngestReport
		Skipped []skippedFile `json:"skipped"`
	}{total, skipped}
	return s.out.put(doc, func() {
		s.out.line("%s", counts(total))
		s.skippedLines(skipped)
	})
}

// A skippedFile says which PATH it is of where there are several.
type skippedFile struct {
	atocore.SkippedFile
	Of string `json:"of,omitempty"`
}

// byName is the library's reason for what is no text by its name, and maxByName
// how many such files are still worth a line each: a folder of programs has
// thousands of them.
const (
	byName    = "is neither Markdown nor plain text by its name"
	maxByName = 10
)

func (s *session) skippedLines(skipped []skippedFile) {
	n := 0
	for _, f := range skipped {
		if f.Reason == byName {
			n++
		}
	}
	for _, f := range skipped {
		switch {
		case f.Reason == byName && n > maxByName:
		case f.Of != "":
			s.out.line("skipped %s: %s: %s", f.Of, f.Path, f.Reason)
		default:
			s.out.line("skipped %s: %s", f.Path, f.Reason)
		}
	}
	if n > maxByName {
		s.out.line("skipped %d that are neither Markdown nor plain text by their names; --json lists them", n)
	}
}

// checkPath finds out what can be known about a path without the store.
func checkPath(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &atocore.NotFoundError{Kind: "path", ID: name}
	}
	if err != nil || !info.IsDir() {
		return err
	}
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return dir.Close()
}

func counts(r atocore.IngestReport) string {
	return fmt.Sprintf("%d added, %d updated, %d renamed, %d unchanged, %d removed, %d skipped",
		r.Added, r.Updated, r.Renamed, r.Unchanged, r.Removed, len(r.Skipped))
}

// A partIngestError is an ingest that ended early. What it took in by then
// stays, so the message says what that is, with --json as well.
type partIngestError struct {
	kept string
	err  error
}

func (e *partIngestError) Error() string {
	what := e.err.Error()
	if errors.Is(e.err, context.Canceled) {
		what = "ingest: interrupted" // at which SQL statement is nobody's concern
	}
	return what + "; kept so far: " + e.kept
}

func (e *partIngestError) Unwrap() error { return e.err }
