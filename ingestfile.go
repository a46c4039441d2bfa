package atocore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"unicode/utf8"

	"github.com/atocore/atocore/internal/sqlite"
)

// inScope reports whether the run looks at the path at all.
func (in *ingestion) inScope(name string) bool { return len(in.only) == 0 || underAny(in.only, name) }

// isPresent reports whether the file is there, as far as one can see. What the
// walk did not look into is asked for, and only that: where case does not
// count, a file would be there by its old name too.
func (in *ingestion) isPresent(name string) bool {
	if in.there[name] || underAny(in.closed, name) {
		return true
	}
	if !underAny(in.passed, name) {
		return false
	}
	_, err := fs.Stat(in.fsys, name)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// underAny reports whether the path is one of the set or under one.
func underAny(set map[string]bool, name string) bool {
	for {
		if set[name] {
			return true
		}
		if name == "." {
			return false
		}
		name = path.Dir(name)
	}
}

// look reads one file and puts it with those that wait, unless the store has
// it. Where the store has nothing at all there is nothing to wait for.
func (in *ingestion) look(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	source, why := in.readFile(name)
	if why != "" {
		in.skip(name, why)
		in.progress(name)
		return nil
	}
	if len(in.known) == 0 {
		return in.add(ctx, name, source, nil)
	}
	hash := sha256.Sum256(source)
	sum := hex.EncodeToString(hash[:])
	old, known := in.known[name]
	if known && old.SHA256 == sum {
		// The same source can read otherwise than it did: by another name's
		// ending, or a newer version of this package.
		return in.add(ctx, name, source, &old)
	}
	w := waitingFile{name: name, sha256: sum}
	if known {
		w.before = &old
	}
	in.waiting = append(in.waiting, w)
	return nil
}

// matchRenamed finds the documents whose sources now stand in files of other
// names: a file that nothing is known of takes the document over, and with it
// frees its old path for the next. What is left at a freed path is new.
func (in *ingestion) matchRenamed() {
	lost := map[string][]Document{} // by hash
	in.gone = map[string]bool{}
	for name, d := range in.known {
		if !in.isPresent(name) && in.inScope(name) {
			in.gone[d.ID] = true
			lost[d.SHA256] = append(lost[d.SHA256], d)
		}
	}
	for _, w := range in.waiting {
		if w.before != nil {
			lost[w.before.SHA256] = append(lost[w.before.SHA256], *w.before)
		}
	}
	for _, ds := range lost {
		slices.SortFunc(ds, func(a, b Document) int {
			// A document without a file comes before one whose file has changed.
			switch x, y := in.gone[a.ID], in.gone[b.ID]; {
			case x != y && x:
				return -1
			case x != y:
				return 1
			}
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.ID, b.ID))
		})
	}
	byID := map[string]int{} // the file that is to replace the document
	var free []int
	for i, w := range in.waiting {
		if w.before == nil {
			free = append(free, i)
		} else {
			byID[w.before.ID] = i
		}
	}
	var renamed []waitingFile
	taken := make([]bool, len(in.waiting))
	for len(free) > 0 {
		i := free[0]
		free = free[1:]
		w := &in.waiting[i]
		ds := lost[w.sha256]
		if len(ds) == 0 {
			continue
		}
		d := ds[0]
		lost[w.sha256] = ds[1:]
		delete(in.gone, d.ID)
		w.before = &d
		taken[i] = true
		// In this order each path is free when its document moves there.
		renamed = append(renamed, *w)
		if j, ok := byID[d.ID]; ok {
			in.waiting[j].before = nil
			free = append(free, j)
		}
	}
	for i, w := range in.waiting {
		if !taken[i] {
			renamed = append(renamed, w)
		}
	}
	in.waiting = renamed
}

// store reads a file that waited once more and adds it.
func (in *ingestion) store(ctx context.Context, w *waitingFile) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	source, why := in.readFile(w.name)
	if why != "" {
		in.skip(w.name, why)
		in.progress(w.name)
		return nil
	}
	return in.add(ctx, w.name, source, w.before)
}

// add parses a file and adds it to the batch, unless that would change nothing.
func (in *ingestion) add(ctx context.Context, name string, source []byte, before *Document) error {
	p := pendingDocument{source: source, before: before, rec: documentRecord{Document: Document{
		Project: in.opts.Project, Origin: in.opts.Origin, Path: name,
		MediaType: mediaType(name, in.opts.Text), Kept: in.opts.KeepOriginals,
	}}}
	if err := p.rec.parse(source); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if before != nil {
		p.rec.Kept = p.rec.Kept || before.Kept // a later run without the option does not lose it
		if samePlace(before, &p.rec.Document) && sameSource(before, &p.rec.Document) {
			if p.rec.Kept {
				// Its original may have been lost.
				if err := in.s.keepOriginal(p.rec.SHA256, source); err != nil {
					return err
				}
			}
			in.report.Unchanged++
			in.progress(name)
			return nil
		}
	}
	in.batch = append(in.batch, p)
	in.size += len(source)
	if len(in.batch) >= ingestBatchFiles || in.size >= ingestBatchBytes {
		return in.flush(ctx)
	}
	return nil
}

func samePlace(a, b *Document) bool { return a.Origin == b.Origin && a.Path == b.Path }

// readFile returns the file's text, or why it is to be skipped.
func (in *ingestion) readFile(name string) (source []byte, why string) {
	f, err := in.fsys.Open(name)
	if err != nil {
		return nil, "cannot be read: " + reason(err)
	}
	defer f.Close()
	// One byte more than allowed tells a file that grew from one that fits.
	source, err = io.ReadAll(io.LimitReader(f, in.opts.MaxBytes+1))
	switch {
	case err != nil:
		return nil, "cannot be read: " + reason(err)
	case int64(len(source)) > in.opts.MaxBytes:
		return nil, fmt.Sprintf("is larger than %d bytes", in.opts.MaxBytes)
	case bytes.IndexByte(source, 0) >= 0:
		return nil, "is not text: it has NUL bytes"
	case !utf8.Valid(source):
		return nil, "is not UTF-8"
	case len(bytes.TrimSpace(source)) == 0:
		return nil, "is empty"
	}
	return source, ""
}

// flush writes the batch in one transaction.
func (in *ingestion) flush(ctx context.Context) error {
	if len(in.batch) == 0 {
		return nil
	}
	var texts []string
	for i := range in.batch {
		p := &in.batch[i]
		texts = append(texts, p.rec.embedTexts()...)
		if p.rec.Kept {
			// Before the commit that refers to it. What a crash leaves in
			// between is found by Check and removed by Repair.
			if err := in.s.keepOriginal(p.rec.SHA256, p.source); err != nil {
				return err
			}
		}
	}
	var did IngestReport
	var replaced []string // originals that may no longer be needed
	err := in.s.write(ctx, texts, func(c *change) error {
		did, replaced = IngestReport{}, nil
		for i := range in.batch {
			p := &in.batch[i]
			before, err := p.replaces(c.tx)
			if err != nil {
				return err
			}
			op := "ingest"
			switch {
			case before == nil:
				did.Added++
			case samePlace(before, &p.rec.Document) && sameSource(before, &p.rec.Document):
				did.Unchanged++ // another process was first
				continue
			case !samePlace(before, &p.rec.Document):
				op = "rename"
				did.Renamed++
			default:
				did.Updated++
			}
			if before != nil && before.Kept && before.SHA256 != p.rec.SHA256 {
				replaced = append(replaced, before.SHA256)
			}
			if p.rec.Kept {
				// Another process may have swept it up since: it was not
				// referred to. From here on the write lock keeps it.
				if err := in.s.keepOriginal(p.rec.SHA256, p.source); err != nil {
					return err
				}
			}
			if err := c.putDocument(op, before, &p.rec); err != nil {
				return fmt.Errorf("%s: %w", p.rec.Path, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	in.report.Added += did.Added
	in.report.Updated += did.Updated
	in.report.Renamed += did.Renamed
	in.report.Unchanged += did.Unchanged
	for i := range in.batch {
		in.progress(in.batch[i].rec.Path)
	}
	in.batch, in.size = nil, 0
	in.s.sweepReplaced(ctx, replaced)
	return nil
}

// sweepReplaced is sweepOriginals after a change that is done: it cannot fail
// any more, and what stays is found by Check and removed by Repair.
func (s *Store) sweepReplaced(ctx context.Context, sums []string) {
	if err := s.sweepOriginals(ctx, sums); err != nil {
		s.log.WarnContext(ctx, "an original that is no longer needed stays", "error", err)
	}
}

// replaces finds the document that p is a new version of, as it is by now:
// another process may have changed it since it was loaded.
func (p *pendingDocument) replaces(tx *sqlite.Tx) (*Document, error) {
	there, found, err := documentByPath(tx, p.rec.Project, p.rec.Origin, p.rec.Path)
	if err != nil {
		return nil, err
	}
	if found {
		return &there, nil
	}
	if p.before == nil {
		return nil, nil
	}
	d, found, err := documentByID(tx, p.before.ID)
	if err != nil || !found || !samePlace(&d, p.before) || d.Project != p.rec.Project {
		return nil, err
	}
	return &d, nil
}

// prune removes the documents whose files are gone.
func (in *ingestion) prune(ctx context.Context) error {
	var gone []Document
	for _, d := range in.known {
		if in.gone[d.ID] {
			gone = append(gone, d)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	slices.SortFunc(gone, func(a, b Document) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Path, b.Path))
	})
	var removed int
	var originals []string
	err := in.s.write(ctx, nil, func(c *change) error {
		removed, originals = 0, nil
		for i := range gone {
			d, found, err := documentByID(c.tx, gone[i].ID)
			if err != nil {
				return err
			}
			if !found || !samePlace(&d, &gone[i]) {
				continue
			}
			if err := c.deleteRecord(entityDocument, d.ID); err != nil {
				return err
			}
			if err := c.journal("remove", entityDocument, d.ID, &d, nil); err != nil {
				return err
			}
			if d.Kept {
				originals = append(originals, d.SHA256)
			}
			removed++
		}
		return nil
	})
	if err != nil {
		return err
	}
	in.report.Removed += removed
	in.s.sweepReplaced(ctx, originals)
	return nil
}
