package atocore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// record writes the drill's record into the store. A drill of a snapshot, where
// no store can be opened, has none.
func (d *drill) record(ctx context.Context) error {
	s, closeStore, err := d.b.acquire(ctx)
	if err != nil {
		if d.o.Stamp != "" || d.o.InPlace {
			d.report.Notes = append(d.report.Notes, "no record was written: "+err.Error())
			return ctx.Err()
		}
		return err
	}
	d.report.ID = s.newID()
	text, err := json.Marshal(d.report)
	if err == nil {
		err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`INSERT INTO drills (id, began_at, ended_at, stamp, in_place, ok, report) VALUES (?, ?, ?, ?, ?, ?, ?)`,
				d.report.ID, timeText(d.report.BeganAt), timeText(d.report.EndedAt), d.report.Stamp, d.report.InPlace, d.report.OK, string(text))
			return err
		})
	}
	return errors.Join(err, closeStore())
}

func drills(tx *sqlite.Tx) ([]DrillReport, error) {
	list := []DrillReport{}
	for r, err := range tx.Query(`SELECT id, report FROM drills ORDER BY id DESC`) {
		if err != nil {
			return nil, err
		}
		var report DrillReport
		if err := json.Unmarshal([]byte(r.Text(1)), &report); err != nil {
			return nil, fmt.Errorf("drill %s: %w", r.Text(0), err)
		}
		list = append(list, report)
	}
	return list, nil
}

// lastDrills are the time of the last drill, whether it found nothing, and the
// instant of the newest snapshot of which one has found nothing; nil where there was
// none.
func lastDrills(tx *sqlite.Tx) (last *time.Time, ok bool, proven *time.Time, err error) {
	for r, err := range tx.Query(`SELECT ended_at, ok, report ->> '$.snapshot_at' FROM drills ORDER BY id`) {
		if err != nil {
			return nil, false, nil, err
		}
		last, ok = timeOrNil(r.Text(0)), r.Bool(1)
		at, err := time.Parse(time.RFC3339Nano, r.Text(2))
		if err == nil && ok && (proven == nil || at.After(*proven)) {
			proven = &at
		}
	}
	return last, ok, proven, nil
}

func timeOrNil(s string) *time.Time {
	t := parseTime(s)
	if t.IsZero() {
		return nil
	}
	return &t
}

// acquire returns the store that is open, or opens it, and what to call when
// done with it.
func (b *Backup) acquire(ctx context.Context) (*Store, func() error, error) {
	if b.store != nil {
		return b.store, func() error { return nil }, nil
	}
	s, err := b.openIn(ctx, b.dir)
	if err != nil {
		return nil, nil, err
	}
	return s, s.Close, nil
}

// with calls fn with the store.
func (b *Backup) with(ctx context.Context, fn func(*Store) error) error {
	s, done, err := b.acquire(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fn(s), done())
}

func (b *Backup) now() time.Time {
	if b.opts.Now != nil {
		return b.opts.Now()
	}
	return time.Now()
}
