package atocoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

// exports takes what the store holds out of it and into new ones: the records, which
// have to be there, all of them, and the journal, which has to make the same store.
func (t *trip) exports(ctx context.Context, dir string) error {
	for _, journal := range []bool{false, true} {
		var export bytes.Buffer
		err := t.with(ctx, dir, t.still(), func(s *atocore.Store) error {
			report, err := s.Export(ctx, &export, &atocore.ExportOptions{Journal: journal})
			if err == nil && len(report.Missing) > 0 {
				err = fmt.Errorf("originals of documents are missing: %v", report.Missing)
			}
			return err
		})
		if err != nil {
			return err
		}
		data := export.Bytes()
		if t.o.alter != nil {
			data = t.o.alter(data)
		}
		name := "imported"
		if journal {
			name = "replayed"
		}
		to := filepath.Join(t.dir, name)
		if err := t.take(ctx, to, data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	return nil
}

// take makes a store of an export, and holds it to what was exported.
func (t *trip) take(ctx context.Context, dir string, export []byte) error {
	var got contents
	want := t.new.records()
	err := t.with(ctx, dir, t.still(), func(s *atocore.Store) error {
		e, err := atocore.ReadExport(bytes.NewReader(export))
		if err != nil {
			return err
		}
		if e.IsJournal() {
			want.Journal, want.Digest = t.new.Journal, t.new.Digest
			if err := s.ReplayExport(ctx, e); err != nil {
				return err
			}
		} else if report, err := s.Import(ctx, e.Records(), nil); err != nil {
			return err
		} else if len(report.Skipped) > 0 {
			return fmt.Errorf("import: left out %+v", report.Skipped)
		}
		all, err := read(ctx, s, nil)
		if err != nil {
			return err
		}
		got = all.records()
		if e.IsJournal() {
			got.Journal, got.Digest = all.Journal, all.Digest
		}
		return all.sound()
	})
	if err != nil {
		return err
	}
	if !cmp.Equal(want, got, asText) {
		return errors.New("the store is not as it was when it was exported (-exported +taken in):\n" + want.diff(&got))
	}
	return nil
}

// records are the records alone: what an export has of a store.
func (c *contents) records() contents {
	return contents{
		Projects: c.Projects, Memories: c.Memories, State: c.State, Documents: c.Documents, Chunks: c.Chunks,
		Originals: c.Originals, Interactions: c.Interactions, Probes: c.Probes,
	}
}
