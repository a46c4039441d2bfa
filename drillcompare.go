package atocore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// A likeness is what a drill compares of the original and of the copy.
type likeness struct {
	rows    map[string]int64 // by table; of memories by type and status besides
	space   string
	answers []answer // of the probes, in their order
}

// derivedRows are the tables that a snapshot without vectors leaves out, and those
// that are packed when its vectors are made anew.
var derivedRows = []string{
	"vectors", "vectorless", "embedding_queue", "codes", "code_means", "trusts",
	"unit_log", "unit_blocks", "unit_terms", "segments", "segment_blocks",
}

// look takes the likeness of what the transaction sees.
func look(ctx context.Context, s *Store, tx *sqlite.Tx, probes []preparedProbe) (likeness, error) {
	rows, err := schema.Counts(tx)
	if err != nil {
		return likeness{}, err
	}
	l := likeness{rows: rows, space: "none"}
	for r, err := range tx.Query(`SELECT type, status, count(*) FROM memories GROUP BY type, status ORDER BY type, status`) {
		if err != nil {
			return l, err
		}
		l.rows["memories "+r.Text(0)+" "+r.Text(1)] = r.Int64(2)
	}
	id, space, err := activeSpace(tx)
	if err != nil {
		return l, err
	}
	if id != 0 {
		l.space = space.String()
	}
	for _, p := range probes {
		if err := ctx.Err(); err != nil {
			return l, err
		}
		a := p.ask(ctx, s, tx)
		if errors.Is(a.err, ErrCorrupt) {
			return l, a.err
		}
		l.answers = append(l.answers, a)
	}
	return l, nil
}

// holdTo finds in what the copy is not like the original.
func (d *drill) holdTo(want, got likeness) {
	if want.rows["units"] == 0 {
		d.find("drill_empty_store", "units", "something to find", "nothing")
	}
	tables := slices.Sorted(maps.Keys(want.rows))
	for t := range got.rows {
		if _, ok := want.rows[t]; !ok {
			tables = append(tables, t)
		}
	}
	for _, t := range tables {
		if !d.snap.Manifest.Vectors && slices.Contains(derivedRows, t) {
			continue // made anew
		}
		if want.rows[t] != got.rows[t] {
			d.find("drill_counts", t, fmt.Sprintf("%d rows", want.rows[t]), fmt.Sprintf("%d rows", got.rows[t]))
		}
	}
	if waiting := got.rows["embedding_queue"]; waiting > 0 && !d.snap.Manifest.Vectors && !d.b.opts.NoEmbedder {
		d.find("drill_index_parity", "vectors", "the vectors that the snapshot left out, made anew", fmt.Sprintf("%d texts without", waiting))
	}
	if want.space != got.space {
		d.find("drill_space", "spaces", want.space, got.space)
	}
	for i, p := range d.probes {
		if err := want.answers[i].err; err != nil {
			d.find("drill_probe_failed", p.name, "an answer", err.Error())
			continue
		}
		d.report.Hits += len(want.answers[i].hits)
		if expected, found := want.answers[i].differs(got.answers[i]); expected != "" {
			d.find("drill_retrieval", p.name, expected, found)
		}
	}
	if d.report.Hits == 0 && want.rows["units"] > 0 {
		d.find("drill_no_probes", "probes", "a question that the store answers", fmt.Sprintf("%d questions, no hits", d.report.Probes))
	}
}

// A marker is a memory that a drill in place leaves in the store between the
// snapshot and the restore.
type marker struct {
	id    string
	token string // that nothing else has
}

// plantMarker remembers the marker, and makes sure that it would be found.
func (d *drill) plantMarker(ctx context.Context) error {
	_, err := d.step("marker", func() error {
		return d.b.with(ctx, func(s *Store) error {
			m := &marker{token: rand.Text()}
			said, err := s.Remember(ctx, Memory{
				Type:    Episodic,
				Content: "Drill marker " + m.token + ". A restore takes this away; whoever reads it may forget it.",
				Tags:    []string{"drill"},
			})
			if err != nil {
				return err
			}
			m.id = said.ID
			d.marker = m
			byID, bySearch, err := m.seen(ctx, s)
			if err == nil && !(byID && bySearch) {
				err = fmt.Errorf("the marker %s was written, but is not found: by ID %v, by search %v", m.id, byID, bySearch)
			}
			return err
		})
	})
	if err != nil {
		return errors.Join(err, d.pullMarker(ctx))
	}
	return nil
}

// missMarker makes sure that the marker is gone.
func (d *drill) missMarker(ctx context.Context, s *Store) error {
	byID, bySearch, err := d.marker.seen(ctx, s)
	if err != nil {
		return err
	}
	if byID || bySearch {
		d.find("drill_marker_still_present", d.marker.id, "gone with the restore", fmt.Sprintf("there: by ID %v, by search %v", byID, bySearch))
	}
	return nil
}

func (m *marker) seen(ctx context.Context, s *Store) (byID, bySearch bool, err error) {
	switch _, err := s.Memory(ctx, m.id); {
	case err == nil:
		byID = true
	case !errors.Is(err, ErrNotFound):
		return false, false, err
	}
	found, err := s.Retriever(nil).Search(ctx, Query{Text: m.token, Mode: TextOnly})
	if err != nil {
		return false, false, err
	}
	bySearch = slices.ContainsFunc(found.Hits, func(h Hit) bool { return h.ID == m.id })
	return byID, bySearch, nil
}

// pullMarker forgets the marker of a drill that cannot go on.
func (d *drill) pullMarker(ctx context.Context) error {
	if d.marker == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // the drill may have been interrupted
	err := d.b.with(ctx, func(s *Store) error {
		_, err := s.Forget(ctx, "the drill could not go on", d.marker.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("the marker %s stays: %w", d.marker.id, err)
	}
	return nil
}

// unused reports that nobody has the store open, or else who has. It is a look
// before anything is written; the restore itself looks again.
func (b *Backup) unused(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := filepath.Join(b.dir, lockName)
	lock, err := lockfile.OpenExisting(path)
	if errors.Is(err, os.ErrNotExist) {
		return b.notFound("")
	}
	if err != nil {
		return sqlite.FileError("open", path, err)
	}
	free, err := lock.TryLock(lockfile.RangeOpen, lockfile.Exclusive)
	if err == nil && !free {
		err = fmt.Errorf("%w, %w", ErrInUse, lockfile.Held(path))
	}
	return errors.Join(err, lock.Close())
}

// copyFile copies a file to one that is not there yet.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
