package restore

import (
	"context"

	"github.com/atocore/atocore/backup"
)

// Swap is the part of Run that works on files: all of it from staging on, without
// SQLite. The caller has the store alone.
func Swap(ctx context.Context, c Config, snapshot string, m *backup.Manifest) error {
	p, err := newPlace(c)
	if err != nil {
		return err
	}
	j, err := p.decide(ctx, source{dir: snapshot, manifest: m}, "", nil)
	if err != nil {
		_ = p.abort() // which a process that died does not come to
		return err
	}
	return p.carryOut(ctx, j)
}
