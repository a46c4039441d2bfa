package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/atocore/atocore"
)

type exportCmd struct {
	Project string `placeholder:"P" help:"Only this project and what belongs to it, by name or alias."`
	Journal bool   `help:"The journal instead of the records: the whole history, to make the same store of."`
	Output  string `short:"o" placeholder:"FILE" help:"Write to this file. The default is standard output, which must not be a terminal."`
	Force   bool   `help:"Replace a file that is there."`
}

func (exportCmd) Help() string {
	return `Writes JSON Lines, which import takes: a line that says what it is, a line for each record, and a last line by which import sees whether it is whole. Others can read and write meanwhile: the export is the store at one instant. A file is there when it is complete, and not before. What an export that fails has written to standard output has no last line.` + examples(
		`atocore export --output store.jsonl`,
		`atocore export --project website > website.jsonl`,
		`atocore export --journal --output history.jsonl`,
	)
}

// An exportDoc says what went into a file.
type exportDoc struct {
	Path string `json:"path"`
	atocore.ExportReport
}

func (c *exportCmd) Run(ctx context.Context, s *session) error {
	o := atocore.ExportOptions{Project: c.Project, Journal: c.Journal}
	var report atocore.ExportReport
	write := func(w io.Writer) error {
		return s.with(ctx, reads, func(store *atocore.Store) (err error) {
			report, err = store.Export(ctx, w, &o)
			return err
		})
	}
	switch {
	case c.Journal && c.Project != "":
		return &usageError{command: "atocore export", reason: "--journal is of all projects: leave --project out"}
	case c.Output == "" && s.out.terminal:
		return &usageError{command: "atocore export", reason: "standard output is a terminal: name a file with --output, or send it to one"}
	case c.Output == "" && c.Force:
		return &usageError{command: "atocore export", reason: "--force goes with --output"}
	case c.Output == "":
		// As it comes: a store may be larger than memory.
		err := write(s.out.w)
		s.missingNotes(report)
		return err
	}
	if err := writeWhole(c.Output, c.Force, write); err != nil {
		return err
	}
	s.missingNotes(report)
	return s.out.put(exportDoc{c.Output, report}, func() {
		var parts []string
		for _, kind := range exportKinds {
			if n := report.Records[kind.one]; n > 0 {
				what := kind.many
				if n == 1 {
					what = kind.one
				}
				parts = append(parts, fmt.Sprintf("%d %s", n, what))
			}
		}
		if len(parts) == 0 {
			parts = []string{"nothing"}
		}
		s.out.line("%s: %s", c.Output, strings.Join(parts, ", "))
	})
}

// exportKinds are what lines of an export hold, in their order.
var exportKinds = []struct{ one, many string }{
	{"project", "projects"}, {"state", "state"}, {"memory", "memories"}, {"document", "documents"},
	{"interaction", "interactions"}, {"original", "originals"}, {"entry", "entries"}, {"probe", "probes"},
}

func (s *session) missingNotes(report atocore.ExportReport) {
	for _, id := range report.Missing {
		s.note("document %s is exported without its original, which is missing or damaged; see: atocore doctor", id)
	}
}

// writeWhole writes a file that is there only when it is complete and on the disk. A
// file that is there already is replaced with force, and an error without.
func writeWhole(name string, force bool, write func(io.Writer) error) (err error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return &usageError{reason: name + " is a directory: name a file in it"}
	case err == nil && !info.Mode().IsRegular():
		return &usageError{reason: name + " is not a file"}
	case err == nil && !force:
		return fmt.Errorf("%s: %w", name, errExists)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if info != nil {
		// What a link leads to is replaced, and the link stays.
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return err
		}
	}
	dir := filepath.Dir(name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return &atocore.NotFoundError{Kind: "directory", ID: dir}
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*") // for its owner alone
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close() // twice where all is well
		_ = os.Remove(f.Name())
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := putInPlace(f.Name(), name, force); err != nil {
		return err
	}
	return syncDirectory(dir)
}

var errExists = errors.New("is there already: choose another name, or replace it with --force")

// putInPlace gives a file its name. Without force it does not replace one that has
// come meanwhile, where the file system can have two names for a file.
func putInPlace(from, to string, force bool) error {
	if force {
		return os.Rename(from, to)
	}
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", to, errExists)
	}
	if err != nil {
		return os.Rename(from, to)
	}
	return nil
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
