package atocore

import (
	"context"

	"github.com/atocore/atocore/internal/sqlite"
)

// ProbeNames names the questions that a drill draws from the store.
func ProbeNames(ctx context.Context, s *Store) (names []string) {
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		chosen, err := chooseProbes(tx, nil)
		for _, p := range chosen {
			names = append(names, p.name)
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	return names
}

// Rows counts the rows of a table, or of what is in its place in a query.
func Rows(ctx context.Context, s *Store, table string) (n int) {
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.QueryRow(func(r sqlite.Row) { n = int(r.Int64(0)) }, `SELECT count(*) FROM `+table)
		return err
	})
	if err != nil {
		panic(err)
	}
	return n
}

// HasCodes reports whether searches of the store choose by codes which vectors to
// compare.
func HasCodes(ctx context.Context, s *Store) (has bool) {
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		v, err := s.ix.View(tx)
		if err == nil {
			has = v.HasCodes()
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	return has
}

// Maintain asks for the merging that writes ask for.
func (s *Store) Maintain() { s.maintain() }

// Merging reports whether something is merged in the background, or about to be.
func (s *Store) Merging() bool {
	s.upkeep.mu.Lock()
	defer s.upkeep.mu.Unlock()
	return s.upkeep.running
}

// Settled waits until nothing is merged in the background. Nobody may write
// meanwhile.
func (s *Store) Settled() {
	s.upkeep.mu.Lock()
	running, done := s.upkeep.running, s.upkeep.done
	s.upkeep.mu.Unlock()
	if running {
		<-done
	}
}

// SetMaxLine has lines of exports bounded by so many bytes, until the function that
// it returns is called.
func SetMaxLine(n int) (restore func()) {
	before := maxLine
	maxLine = n
	return func() { maxLine = before }
}
