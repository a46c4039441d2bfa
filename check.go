package atocore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/analysis"
	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// analysisKey is where a store notes which analysis its full text was made by.
const analysisKey = "analysis"

// begin brings what is derived up to date with this version and embedder. It
// writes only where there is something to do, so that readers can open a
// store without waiting for its writer.
func (s *Store) begin(ctx context.Context) error {
	var made string
	var space int64
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.QueryRow(func(r sqlite.Row) { made = r.Text(0) }, `SELECT value FROM meta WHERE key = ?`, analysisKey); err != nil {
			return err
		}
		var err error
		space, _, err = activeSpace(tx)
		return err
	})
	if err != nil {
		return err
	}
	if made != analysis.Version {
		if err := s.rebuildIndex(ctx, made == ""); err != nil {
			return err
		}
	}
	if space == 0 && s.embedder != nil {
		return s.adoptSpace(ctx)
	}
	if s.embedder != nil && !isLexical(s.embedder) {
		s.maintain() // the trust in its vectors may be owed
	}
	return nil
}

// adoptSpace makes the embedder's space that of a store which has none.
func (s *Store) adoptSpace(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error {
		if id, _, err := activeSpace(tx); err != nil || id != 0 {
			return err // another process was first
		}
		id, err := ensureSpace(tx, s.embedder.Space())
		if err != nil {
			return err
		}
		if _, err = tx.Exec(`UPDATE spaces SET active = 1 WHERE space = ?`, id); err != nil {
			return err
		}
		return index.NewWriter(tx).Restructured()
	})
}

// rebuildIndex writes units and full text anew from the records. Vectors of
// units whose text is as it was stay.
func (s *Store) rebuildIndex(ctx context.Context, onlyIfEmpty bool) error {
	return s.write(ctx, nil, func(c *change) error {
		empty := false
		if _, err := c.tx.QueryRow(func(r sqlite.Row) { empty = r.Int64(0) == 0 }, `SELECT count(*) FROM (SELECT 1 FROM journal LIMIT 1)`); err != nil {
			return err
		}
		if !onlyIfEmpty || !empty {
			if err := c.rebuildIndex(); err != nil {
				return err
			}
		}
		_, err := c.tx.Exec(`INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
			analysisKey, analysis.Version)
		return err
	})
}

func (c *change) rebuildIndex() error {
	for _, q := range []string{
		`DELETE FROM units WHERE id NOT IN (
			SELECT id FROM memories UNION ALL SELECT id FROM state UNION ALL SELECT id FROM chunks UNION ALL SELECT id FROM interactions)`,
		`DELETE FROM vectors WHERE unit NOT IN (SELECT unit FROM units)`,
		`DELETE FROM vectorless WHERE unit NOT IN (SELECT unit FROM units)`,
		`DELETE FROM embedding_queue WHERE unit NOT IN (SELECT unit FROM units)`,
	} {
		if _, err := c.tx.Exec(q); err != nil {
			return err
		}
	}
	if err := c.ix.Reset(); err != nil {
		return err
	}
	for u, err := range allUnits(c.tx) {
		if err != nil {
			return err
		}
		row := u.row()
		n, fresh, err := c.ix.Retell(&row, u.terms)
		if err != nil {
			return err
		}
		if fresh {
			if err := c.indexVector(n, u.embed); err != nil {
				return err
			}
		}
	}
	return c.ix.Rebuilt()
}

// allUnits yields the units of all records.
func allUnits(tx *sqlite.Tx) iter.Seq2[unit, error] {
	return func(yield func(unit, error) bool) {
		for m, err := range allMemories(tx) {
			if !yield(m.unit(), err) || err != nil {
				return
			}
		}
		for e, err := range allState(tx) {
			if !yield(e.unit(), err) || err != nil {
				return
			}
		}
		for r, err := range tx.Query(`SELECT ` + interactionColumns + ` FROM interactions ORDER BY id`) {
			var i Interaction
			if err == nil {
				scanInteraction(r, &i)
			}
			if !yield(i.unit(), err) || err != nil {
				return
			}
		}
		for r, err := range tx.Query(`SELECT ` + documentColumns + ` FROM documents ORDER BY id`) {
			if err != nil {
				yield(unit{}, err)
				return
			}
			d := documentRecord{Document: scanDocument(r)}
			chunks, err := chunksOf(tx, d.ID)
			if err != nil {
				yield(unit{}, err)
				return
			}
			for i := range chunks {
				if !yield(d.unit(&chunks[i]), nil) {
					return
				}
			}
		}
	}
}

// Stats says what a store holds.
type Stats struct {
	Dir          string             `json:"dir"`
	Schema       int                `json:"schema"` // version
	Bytes        int64              `json:"bytes"`  // of the database, its log included
	WALBytes     int64              `json:"wal_bytes"`
	Memories     map[Status]int     `json:"memories"` // by status
	Types        map[MemoryType]int `json:"types"`    // active memories by type
	Projects     int                `json:"projects"`
	State        int                `json:"state"`
	Documents    int                `json:"documents"`
	Chunks       int                `json:"chunks"`
	Interactions int                `json:"interactions"`
	Journal      int64              `json:"journal"` // the last entry's Seq
	Space        *Space             `json:"space"`   // of the vectors; nil where there are none yet
	Vectors      int                `json:"vectors"`
	Pending      int                `json:"pending"` // texts that wait for their vectors
	Spooled      int                `json:"spooled"` // interactions that wait for Drain
	Embedder     *Space             `json:"embedder"`

	// Trust is how well the vectors find texts of this store, 1 being as well as
	// words do, by which they weigh in a hybrid search. Nil is not known, or that
	// they are the built-in embedder's, which weigh by a rule of their own.
	Trust *float64 `json:"trust"`

	SQLite    string `json:"sqlite"`
	SQLiteVec string `json:"sqlite_vec"`

	// LastDrill is when a drill was last run, and LastDrillOK whether it found
	// nothing. LastProven is the instant of the newest state that a drill has proven
	// restorable, which that of an older snapshot is not. Nil is never. See Backup.Drill.
	LastDrill   *time.Time `json:"last_drill"`
	LastDrillOK bool       `json:"last_drill_ok"`
	LastProven  *time.Time `json:"last_proven"`
}

// Stats counts what the store holds.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Dir: s.dir, Memories: map[Status]int{}, Types: map[MemoryType]int{}}
	if s.embedder != nil {
		sp := s.embedder.Space()
		st.Embedder = &sp
	}
	info, err := s.db.Info(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	st.Schema, st.Bytes, st.WALBytes = info.UserVersion, info.PageCount*info.PageSize, info.LogBytes
	st.SQLite, st.SQLiteVec = info.SQLiteVersion, info.VecVersion
	err = s.read(ctx, func(tx *sqlite.Tx) error {
		for r, err := range tx.Query(`SELECT status, type, count(*) FROM memories GROUP BY status, type ORDER BY status, type`) {
			if err != nil {
				return err
			}
			n := int(r.Int64(2))
			st.Memories[Status(r.Text(0))] += n
			if Status(r.Text(0)) == Active {
				st.Types[MemoryType(r.Text(1))] += n
			}
		}
		id, sp, err := activeSpace(tx)
		if err != nil {
			return err
		}
		if id != 0 {
			st.Space = &sp
			trust, err := readTrust(tx, id)
			if err != nil {
				return err
			}
			if trust.known() {
				st.Trust = &trust.trust
			}
		}
		if st.LastDrill, st.LastDrillOK, st.LastProven, err = lastDrills(tx); err != nil {
			return err
		}
		_, err = tx.QueryRow(func(r sqlite.Row) {
			st.Projects, st.State, st.Documents = int(r.Int64(0)), int(r.Int64(1)), int(r.Int64(2))
			st.Chunks, st.Interactions, st.Journal = int(r.Int64(3)), int(r.Int64(4)), r.Int64(5)
			st.Vectors, st.Pending = int(r.Int64(6)), int(r.Int64(7))
		}, `SELECT (SELECT count(*) FROM projects), (SELECT count(*) FROM state), (SELECT count(*) FROM documents),
			(SELECT count(*) FROM chunks), (SELECT count(*) FROM interactions), (SELECT coalesce(max(seq), 0) FROM journal),
			(SELECT count(*) FROM vectors WHERE space = ?), (SELECT count(*) FROM embedding_queue)`, id)
		return err
	})
	if err == nil {
		st.Spooled, err = countSpooled(filepath.Join(s.dir, spoolName))
	}
	if err != nil {
		return Stats{}, fmt.Errorf("stats: %w", err)
	}
	return st, nil
}

// Digest is the SHA-256, in hexadecimal, over everything the store holds, its
// journal included and what is derived (full text, vectors) excluded. Two
// stores with equal digests hold the same.
func (s *Store) Digest(ctx context.Context) (string, error) {
	var digest string
	err := s.read(ctx, func(tx *sqlite.Tx) (err error) {
		digest, _, err = schema.Digest(tx)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	return digest, nil
}

// A Finding is one fault that a check found: a code that is stable, the file,
// table or record, what was expected and what was found there, and what to do.
type Finding = backup.Finding

// A CheckReport lists what Check found.
type CheckReport struct {
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`
}

// Check examines the store: the database file, references, the full text
// against the records, the vectors against the records, and kept originals. It
// returns every finding; its error says that it could not look.
//
// The codes are integrity_check (foreign keys included), fts_integrity,
// units_missing, units_orphaned, units_stale, fts_parity, columns_stale,
// codes_stale, vectors_damaged, vectors_orphaned, vectors_missing, original_missing
// and original_orphaned.
func (s *Store) Check(ctx context.Context) (CheckReport, error) {
	report := CheckReport{Findings: []Finding{}}
	add := func(code, path, expected, found, hint string) {
		report.Findings = append(report.Findings, Finding{Code: code, Path: path, Expected: expected, Found: found, Hint: hint})
	}
	const restore = "restore a snapshot; keep a copy of the files as they are"
	const repair = "repair the store: what is derived is made anew from the records"
	integrity, err := s.db.IntegrityCheck(ctx)
	if err != nil {
		return report, fmt.Errorf("check: %w", err)
	}
	for _, f := range integrity {
		add("integrity_check", databaseName, "ok", f, restore)
	}
	err = s.read(ctx, func(tx *sqlite.Tx) error {
		disparities, err := schema.Parity(tx)
		if err != nil {
			return err
		}
		for _, d := range disparities {
			if strings.HasPrefix(d.Code, "fts_") {
				continue // is looked at more closely below
			}
			add(d.Code, d.Table, "0 rows", fmt.Sprintf("%d rows", d.Rows), repair)
		}
		if err := checkIndex(ctx, tx, add); err != nil {
			return err
		}
		return s.checkOriginals(tx, add)
	})
	switch {
	case errors.Is(err, ErrCorrupt):
		add("integrity_check", databaseName, "ok", err.Error(), restore)
	case err != nil:
		return report, fmt.Errorf("check: %w", err)
	}
	report.OK = len(report.Findings) == 0
	return report, nil
}

// checkIndex holds what the index says of each unit against its record, and what
// is packed against the rows.
func checkIndex(ctx context.Context, tx *sqlite.Tx, add func(code, path, expected, found, hint string)) error {
	const repair = "repair the store: what is derived is made anew from the records"
	check, err := index.NewCheck(ctx, tx)
	if err != nil {
		return err
	}
	for u, err := range allUnits(tx) {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		row := u.row()
		if err := check.Hold(&row, u.terms); err != nil {
			return err
		}
	}
	for _, f := range check.Faults() {
		add(f.Code, f.Table, f.Expected, f.Found, repair)
	}
	return nil
}

func (s *Store) checkOriginals(tx *sqlite.Tx, add func(code, path, expected, found, hint string)) error {
	kept := map[string]bool{}
	for r, err := range tx.Query(`SELECT DISTINCT sha256, size FROM documents WHERE kept = 1 ORDER BY sha256`) {
		if err != nil {
			return err
		}
		sum, size := r.Text(0), r.Int64(1)
		kept[sum] = true
		name := filepath.ToSlash(filepath.Join(filesName, sum[:2], sum))
		info, err := os.Stat(s.originalPath(sum))
		switch {
		case err != nil:
			add("original_missing", name, fmt.Sprintf("%d bytes", size), reason(err), "ingest the document again, keeping originals")
		case info.Size() != size:
			add("original_missing", name, fmt.Sprintf("%d bytes", size), fmt.Sprintf("%d bytes", info.Size()), "ingest the document again, keeping originals")
		}
	}
	files, err := s.originals()
	if err != nil {
		return err
	}
	for _, f := range files {
		if !kept[f.sum] && (f.sum != "" || f.abandoned) {
			rel, err := filepath.Rel(s.dir, f.path)
			if err != nil {
				return err
			}
			add("original_orphaned", filepath.ToSlash(rel), "a document that keeps it", "none", "repair the store: it is removed")
		}
	}
	return nil
}

// Repair makes anew what is derived from the records: full text, the queue of
// texts without sound vectors and then their vectors, and removes originals that no
// document refers to. Records are not touched.
func (s *Store) Repair(ctx context.Context) error {
	err := s.rebuildIndex(ctx, false)
	if err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		id, _, err := activeSpace(tx)
		if err != nil {
			return err
		}
		ix := index.NewWriter(tx)
		if err := ix.DropDamagedVectors(); err != nil {
			return err
		}
		if err := ix.Finish(); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO embedding_queue (unit) SELECT unit FROM units WHERE `+unfilledNew+` ON CONFLICT DO NOTHING`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	if err := s.sweepOrphans(ctx); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	if _, err := s.EmbedPending(ctx); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return nil
}

// sweepOrphans removes the originals that no document refers to.
func (s *Store) sweepOrphans(ctx context.Context) error {
	files, err := s.originals()
	if err != nil {
		return err
	}
	var sums []string
	for _, f := range files {
		switch {
		case f.sum != "":
			sums = append(sums, f.sum)
		case f.abandoned:
			if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove original: %w", err)
			}
		}
	}
	return s.sweepOriginals(ctx, sums)
}
