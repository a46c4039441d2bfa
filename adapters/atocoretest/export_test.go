package atocoretest

import (
	"context"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/restore"
)

// Tamper has fn do to a store, after each restore, what a bad restore would do.
func (o *Options) Tamper(fn func(dir string) error) { o.tamper = fn }

// Alter has fn do to an export what a bad export would do.
func (o *Options) Alter(fn func(export []byte) []byte) { o.alter = fn }

// Restore has fn restore instead, where file operations fail.
func (o *Options) Restore(fn func(context.Context, restore.Config, restore.Options) (restore.Report, error)) {
	o.run = fn
}

// Contents is what stores are compared by.
type Contents = contents

// Read reads a store.
func Read(ctx context.Context, s *atocore.Store, questions []atocore.Query) (Contents, error) {
	return read(ctx, s, questions)
}

// Compare is what the comparison of two stores says.
func Compare(a, b *Contents) (equal bool, diff string) { return a.equal(b), a.diff(b) }
