package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/importers"
)

type importCmd struct {
	Run  importRunCmd  `cmd:"" default:"withargs" help:"Take in what export wrote, or what another program keeps."`
	Undo importUndoCmd `cmd:"" help:"Take back what an import did."`
	List importListCmd `cmd:"" help:"List imports, newest first."`
}

func (importCmd) Help() string {
	return `"run" may be left out. A file or folder of the name of a command is ./undo, say.`
}

type importRunCmd struct {
	Path string `arg:"" help:"Where it is. From jsonl, - is standard input."`

	From    string `required:"" enum:"${sources}" placeholder:"F" help:"What it is: ${ofsource}."`
	DryRun  bool   `help:"Say what would be done, record by record, and write nothing."`
	Project string `placeholder:"P" help:"Project of records without one; it is made where it is missing."`
}

func (importRunCmd) Help() string {
	return `The source stays as it is, to the byte: databases are copied with their journal or log, and the copy is read. Running it again adds nothing, and brings what has changed in the source. Records that cannot be taken are skipped and reported. The export of a journal makes an empty store what the other was. "run" may be left out.` + examples(
		`atocore import --from chroma /srv/chroma --dry-run`,
		`atocore import --from chroma /srv/chroma --project handbook`,
		`atocore import --from mcp-memory ~/memory.jsonl`,
		`atocore import --from claude-mem ~/.claude-mem`,
		`atocore import --from engram ~/.engram`,
		`atocore import --from markdown ~/Vault --project notes`,
		`atocore import --from jsonl export.jsonl`,
	)
}

// An importDoc is what import prints with --json.
type importDoc struct {
	atocore.ImportReport
	From     string                 `json:"from"`
	Source   string                 `json:"source"`
	Notes    []string               `json:"notes"`              // what of the records was left out
	Changes  []atocore.ImportChange `json:"changes,omitempty"`  // of a dry run, unchanged records apart
	Replayed int64                  `json:"replayed,omitempty"` // entries of a journal
}

func (c *importRunCmd) Run(ctx context.Context, s *session) (err error) {
	source, err := importers.Open(ctx, c.From, c.Path, &importers.Options{CompileCache: s.cache, Stdin: s.stdin})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if source.IsJournal() && c.Project != "" {
		return &usageError{command: "atocore import", reason: "--project does not go with the export of a journal, whose records have theirs"}
	}
	doc, err := c.inStore(ctx, s, source)
	if err != nil {
		return err
	}
	doc.From, doc.Source, doc.DryRun = source.From, source.Path, c.DryRun
	doc.Notes = append([]string{}, source.Notes()...)
	for _, n := range doc.Notes {
		s.note("%s", n)
	}
	if doc.Elsewhere > 0 {
		s.note("%d records are in another project than --project says, and stay there", doc.Elsewhere)
	}
	return s.out.put(doc, func() { s.imported(doc) })
}

// inStore runs an import in the store. A store that is not there is made, but not
// for one that fails on its input: it is tried in a temporary one first.
func (c *importRunCmd) inStore(ctx context.Context, s *session, source *importers.Source) (doc importDoc, err error) {
	as := func(dry bool) func(*atocore.Store) error {
		return func(store *atocore.Store) (err error) {
			if source.IsJournal() {
				doc, err = s.replay(ctx, store, source, dry)
			} else {
				doc, err = c.run(ctx, store, source, dry)
			}
			return err
		}
	}
	err = s.with(ctx, reads, as(c.DryRun))
	missing, ok := errors.AsType[*atocore.NotFoundError](err)
	if !ok || missing.Kind != "store" {
		return doc, err
	}
	err = s.withTemporary(ctx, as(true))
	if c.DryRun || errors.Is(err, atocore.ErrInvalid) {
		return doc, err // anything else is about the temporary directory
	}
	return doc, s.with(ctx, creates, as(false))
}

// run imports records.
func (c *importRunCmd) run(ctx context.Context, store *atocore.Store, source *importers.Source, dry bool) (importDoc, error) {
	doc := importDoc{}
	o := &atocore.ImportOptions{From: source.From, Source: source.Path, Project: c.Project, DryRun: dry}
	if dry {
		doc.Changes = []atocore.ImportChange{}
		o.Each = func(ch atocore.ImportChange) {
			switch ch.Action {
			case "unchanged":
				return
			case "add": // of thousands, the beginning is enough
				ch.After = strings.Clone(oneLine(ch.After, maxCell))
			}
			doc.Changes = append(doc.Changes, ch)
		}
	}
	var err error
	if doc.ImportReport, err = store.Import(ctx, source.Records(), o); err != nil && doc.ID != "" {
		err = &partImportError{report: doc.ImportReport, err: err}
	}
	return doc, err
}

// replay makes an empty store what the other was. A dry run does so in a temporary
// store.
func (s *session) replay(ctx context.Context, store *atocore.Store, source *importers.Source, dry bool) (doc importDoc, err error) {
	doc.Skipped, doc.Projects = []atocore.SkippedRecord{}, []string{}
	count := func(store *atocore.Store) error {
		journal, err := source.Journal()
		if err != nil {
			return err
		}
		if err := store.ReplayExport(ctx, journal); err != nil {
			return err
		}
		st, err := store.Stats(ctx)
		doc.Replayed = st.Journal
		return err
	}
	if dry {
		st, err := store.Stats(ctx)
		if err != nil {
			return doc, err
		}
		if st.Journal == 0 {
			return doc, s.withTemporary(ctx, count)
		}
	}
	return doc, count(store)
}

// imported prints what an import has done, or would do.
func (s *session) imported(doc importDoc) {
	if doc.Replayed > 0 {
		done := "replayed"
		if doc.DryRun {
			done = "would replay"
		}
		s.out.line("%s %d journal entries", done, doc.Replayed)
		return
	}
	skipped := func(key, reason string) { s.out.line("- skipped %s: %s", key, reason) }
	if doc.DryRun {
		for _, ch := range doc.Changes {
			switch ch.Action {
			case "add":
				s.out.line("+ %-11s  %s", ch.Entity, oneLine(ch.After, maxCell))
			case "update":
				s.out.line("~ %-11s  %s", ch.Entity, ch.Key)
				s.out.line("    before  %s", oneLine(ch.Before, maxCell))
				s.out.line("    after   %s", oneLine(ch.After, maxCell))
			case "skip":
				skipped(ch.Key, ch.Reason)
			}
		}
		s.out.line("= %d unchanged", doc.Unchanged)
		s.out.line("would be %s; nothing was written", importCounts(doc.ImportReport))
		return
	}
	for _, r := range doc.Skipped {
		skipped(r.Key, r.Reason)
	}
	s.out.line("%s", importCounts(doc.ImportReport))
	if doc.ID != "" {
		s.out.line("import %s; atocore import undo takes it back", doc.ID)
	}
}

func importCounts(r atocore.ImportReport) string {
	return fmt.Sprintf("%d added, %d updated, %d unchanged, %d skipped", r.Added, r.Updated, r.Unchanged, len(r.Skipped))
}

// A partImportError is an import that ended early. What is in by then stays, so the
// message says what that is, with --json as well.
type partImportError struct {
	report atocore.ImportReport
	err    error
}

func (e *partImportError) Error() string {
	what := e.err.Error()
	if errors.Is(e.err, context.Canceled) {
		what = "import: interrupted"
	}
	return fmt.Sprintf("%s; by then %d records were added and %d updated: run it again for the rest, or take them back with atocore import undo %s",
		what, e.report.Added, e.report.Updated, e.report.ID)
}

// Unwrap is what it was interrupted by.
func (e *partImportError) Unwrap() error { return e.err }
