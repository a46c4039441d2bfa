package importers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/markdown"
)

// openMarkdown opens a folder of notes, or one note. The store takes a note apart as
// it does every document: title, tags, dates and the other words of the front
// matter. What this adds is the syntax of notes in the text.
func openMarkdown(ctx context.Context, s *Source, name string, _ *Options) error {
	// One folder has one name, whatever links lead to it.
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	v := vault{s: s, root: name}
	if !info.IsDir() {
		v.root, v.only = filepath.Dir(name), filepath.Base(name)
		if !isNote(v.only) {
			return &atocore.InvalidError{Field: "path", Reason: fmt.Sprintf("%s is no Markdown by its name", name), Hint: "name " + s.about + ", which ends in .md"}
		}
	}
	dir, err := os.OpenRoot(v.root)
	if err != nil {
		return err
	}
	s.close = dir.Close
	v.files = dir.FS()
	s.records = func(yield func(atocore.Record, error) bool) {
		if err := v.walk(ctx, yield); err != nil && !errors.Is(err, errEnough) {
			yield(atocore.Record{}, err)
		}
	}
	return nil
}

type vault struct {
	s     *Source
	root  string
	only  string // the one note that is meant, "" for all
	files fs.FS
}

func isNote(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdown", ".mkd", ".mdx", ".mkdn": // as for ingest
		return true
	}
	return false
}

// walk yields the notes in the order of their names. Hidden files and folders, an
// app's settings say, are passed over.
func (v *vault) walk(ctx context.Context, yield func(atocore.Record, error) bool) error {
	if v.only != "" {
		return v.note(v.only, yield)
	}
	return fs.WalkDir(v.files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
			if err != nil {
				return err
			}
		} else if name == "." {
			return err
		}
		hidden := name != "." && strings.HasPrefix(path.Base(name), ".")
		switch {
		case hidden && d != nil && d.IsDir():
			return fs.SkipDir
		case hidden:
			return nil
		case err != nil:
			v.s.skip(v.key(name), "cannot be read: "+reason(err))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !isNote(name):
			return nil // an attachment
		case !d.Type().IsRegular():
			v.s.skip(v.key(name), "is a link or a special file")
			return nil
		case strings.EqualFold(name, "README.md"):
			v.s.skip(v.key(name), "tells of the folder and is no note of it; import it by its own name to have it")
			return nil
		}
		return v.note(name, yield)
	})
}

// key tells the notes of one folder from those of another.
func (v *vault) key(name string) string { return v.s.key(filepath.ToSlash(v.root), name) }

// note yields a note. What of its bytes the store does not take, the store says.
func (v *vault) note(name string, yield func(atocore.Record, error) bool) error {
	key := v.key(name)
	source, err := v.read(name)
	switch {
	case err != nil:
		v.s.skip(key, "cannot be read: "+reason(err))
		return nil
	case len(source) > atocore.MaxDocumentBytes:
		v.s.skip(key, fmt.Sprintf("is larger than %d bytes", atocore.MaxDocumentBytes))
		return nil
	case len(strings.TrimSpace(string(source))) == 0:
		v.s.skip(key, "is empty")
		return nil
	}
	notes := markdown.ParseNotes(source)
	var observations, relations []string
	for _, o := range notes.Observations {
		observations = append(observations, "["+o.Category+"] "+o.Text)
	}
	for _, r := range notes.Relations {
		relations = append(relations, r.Relation+" [["+r.Target+"]]")
	}
	metadata := map[string]string{
		"note:links":        strings.Join(notes.Links, "\n"),
		"note:embeds":       strings.Join(notes.Embeds, "\n"),
		"note:observations": strings.Join(observations, "\n"),
		"note:relations":    strings.Join(relations, "\n"),
	}
	if notes.Done+notes.Open > 0 {
		metadata["note:tasks"] = fmt.Sprintf("%d done, %d open", notes.Done, notes.Open)
	}
	// The origin is that of ingest, so that a folder which both have read is there
	// once.
	d := atocore.Document{
		Origin: filepath.ToSlash(v.root), Path: name, MediaType: atocore.MediaMarkdown,
		Tags: v.s.tags(key, notes.Tags...), Metadata: v.s.metadata(key, filled(metadata)),
	}
	if !yield(atocore.Record{Document: &d, Text: string(source), Key: key}, nil) {
		return errEnough
	}
	return nil
}

func (v *vault) read(name string) ([]byte, error) {
	f, err := v.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// One byte more than allowed tells a note that is too large from one that fits.
	return io.ReadAll(io.LimitReader(f, atocore.MaxDocumentBytes+1))
}

// reason is an error of the file system without the name, which stands beside it.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
