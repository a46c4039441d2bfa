package atocore

import (
	"context"
	"errors"
	"fmt"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/sqlite"
)

// Reindex computes the vectors of every text anew with the store's embedder.
// Vectors of another space are kept, and serve nobody but programs that still
// use the other embedder, until all new ones are there; then the store changes
// over in one transaction. Vectors of the same space serve until each is
// replaced. Interrupted, it goes on where it was when it is called again.
// progress, which may be nil, is told before each batch and at the end how many
// texts are done, of how many.
func (s *Store) Reindex(ctx context.Context, progress func(done, total int)) error {
	if s.embedder == nil {
		return fmt.Errorf("reindex: %w", invalid("Options.NoEmbedder", "leaves nothing to embed with", "open the store with an embedder"))
	}
	if err := s.reindex(ctx, progress); err != nil {
		return fmt.Errorf("reindex: %w", err)
	}
	return nil
}

func (s *Store) reindex(ctx context.Context, progress func(done, total int)) error {
	for {
		id, same, err := s.beginReindex(ctx)
		if err != nil {
			return err
		}
		if err := s.fillSpace(ctx, id, same, progress); err != nil {
			if errors.Is(err, errSpaceGone) {
				continue // another program has changed over to a third space meanwhile
			}
			return err
		}
		switch err := s.changeOver(ctx, id); {
		case errors.Is(err, errSpaceGone):
		case err != nil:
			return err
		default:
			_, err = s.EmbedPending(ctx)
			return err
		}
	}
}

// reindexKey is where a store notes that the vectors of its own space are being
// made anew: which of them still wait is in the queue.
const reindexKey = "reindex"

// beginReindex prepares the embedder's space, and reports whether it is the one
// that serves already.
func (s *Store) beginReindex(ctx context.Context) (id int64, same bool, err error) {
	err = s.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
		if id, err = ensureSpace(tx, s.embedder.Space()); err != nil {
			return err
		}
		active, _, err := activeSpace(tx)
		if err != nil || active != id {
			return err
		}
		same = true
		under, err := tx.QueryRow(func(sqlite.Row) {}, `SELECT 1 FROM meta WHERE key = ?`, reindexKey)
		if err != nil || under {
			return err // and now goes on
		}
		// The vectors that are there serve until each is replaced.
		if _, err := tx.Exec(`INSERT INTO embedding_queue (unit) SELECT unit FROM units WHERE true ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO meta (key, value) VALUES (?, 'true')`, reindexKey)
		return err
	})
	return id, same, err
}

// The units that have no vector of space ?1 yet: of a new space those without,
// of the present one those that are queued.
const (
	unfilledNew = `NOT EXISTS (SELECT 1 FROM vectors WHERE space = ?1 AND vectors.unit = units.unit)
		AND NOT EXISTS (SELECT 1 FROM vectorless WHERE space = ?1 AND vectorless.unit = units.unit)`
	unfilledSame = `?1 AND unit IN (SELECT unit FROM embedding_queue)`
)

// fillSpace embeds what the space lacks.
func (s *Store) fillSpace(ctx context.Context, id int64, same bool, progress func(done, total int)) error {
	unfilled := unfilledNew
	if same {
		unfilled = unfilledSame
	}
	// Counted once: what others write meanwhile is seen to when the store changes over.
	var done, total int
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(r sqlite.Row) { total = int(r.Int64(0)); done = total - int(r.Int64(1)) },
			`SELECT (SELECT count(*) FROM units), (SELECT count(*) FROM units WHERE `+unfilled+`)`, id)
		return err
	})
	if err != nil {
		return err
	}
	for after := int64(0); ; {
		if progress != nil {
			progress(min(done, total), total)
		}
		var units []pendingUnit
		err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
			units, err = pendingUnits(tx, `SELECT unit FROM units
				WHERE unit > ?2 AND `+unfilled+`
				ORDER BY unit
				LIMIT ?3`, id, after, embedBatch)
			return err
		})
		if err != nil || len(units) == 0 {
			return err
		}
		var fault *vectorFault // is met again when what is left over is embedded
		n, err := s.embedUnits(ctx, id, units)
		if err != nil && !errors.As(err, &fault) {
			return err
		}
		done += n
		after = units[len(units)-1].unit
	}
}

// changeOver makes the space the one that serves, and drops all others.
func (s *Store) changeOver(ctx context.Context, id int64) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if err := s.checkSpace(tx, id); err != nil {
			return err
		}
		active, _, err := activeSpace(tx)
		if err != nil {
			return err
		}
		done := `DELETE FROM embedding_queue WHERE unit IN (SELECT unit FROM vectors WHERE space = ?1 UNION ALL SELECT unit FROM vectorless WHERE space = ?1)`
		if active == id {
			// The same space anew: what is left in the queue has its former
			// vector still, because it could not be embedded.
			done = `DELETE FROM embedding_queue WHERE unit IN (SELECT unit FROM vectorless WHERE space = ?1)`
		}
		for _, q := range []string{
			`UPDATE spaces SET active = 0 WHERE active = 1 AND space <> ?1`,
			`UPDATE spaces SET active = 1 WHERE space = ?1`,
			`DELETE FROM vectors WHERE space <> ?1`,
			`DELETE FROM vectorless WHERE space <> ?1`,
			`DELETE FROM codes WHERE space <> ?1`,
			`DELETE FROM code_means WHERE space <> ?1`,
			`DELETE FROM trusts WHERE space <> ?1`,
			`DELETE FROM spaces WHERE space <> ?1`,
			done,
			// What was written by others meanwhile has no vector of this space.
			`INSERT INTO embedding_queue (unit) SELECT unit FROM units WHERE ` + unfilledNew + ` ON CONFLICT DO NOTHING`,
			`DELETE FROM meta WHERE key = '` + reindexKey + `' AND ?1`,
		} {
			if _, err := tx.Exec(q, id); err != nil {
				return err
			}
		}
		ix := index.NewWriter(tx)
		if err := ix.Restructured(); err != nil {
			return err
		}
		return ix.Pack() // the codes of the new space have to be whole
	})
}

// errSpaceGone reports that the space that vectors were computed for is no
// longer in the store.
var errSpaceGone = errors.New("the embedding space was dropped meanwhile")

// checkSpace reports whether the number still stands for the embedder's space.
func (s *Store) checkSpace(tx *sqlite.Tx, id int64) error {
	sp := s.embedder.Space()
	found, err := tx.QueryRow(func(sqlite.Row) {},
		`SELECT 1 FROM spaces WHERE space = ? AND name = ? AND dimensions = ? AND fingerprint = ?`, id, sp.Name, sp.Dimensions, sp.Fingerprint)
	if err == nil && !found {
		err = errSpaceGone
	}
	return err
}
