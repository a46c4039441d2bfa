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
