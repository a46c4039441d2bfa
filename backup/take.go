package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// attempts bounds how often an instant is taken anew because originals of the one
// before have been removed meanwhile.
const attempts = 3

// takeStore copies the database at one instant and the originals that it refers to.
func (b *builder) takeStore(ctx context.Context, db *sqlite.DB) error {
	for attempt := 1; ; attempt++ {
		v, err := b.takeDatabase(ctx, db)
		if err != nil {
			return err
		}
		missing, err := b.takeOriginals(ctx, v)
		if err != nil {
			return err
		}
		gone, err := b.lookAgain(ctx, db, missing, attempt == attempts)
		if err != nil {
			return err
		}
		if !gone {
			break
		}
		if err := b.reset(); err != nil {
			return err
		}
	}
	if !b.o.NoVectors || len(b.m.Damaged) > 0 {
		return nil
	}
	err := b.stripVectors(ctx)
	if err == nil || !unreadable(err) {
		return err
	}
	// It can be copied, not changed: then with its vectors.
	if err := b.reset(); err != nil {
		return err
	}
	b.o.NoVectors = false
	if e := b.takeStore(ctx, db); e != nil {
		return e
	}
	b.damage(codeIntegrity, DatabaseName, "a database that can be written", reason(err))
	return nil
}

// takeDatabase copies the database and describes it in the manifest.
func (b *builder) takeDatabase(ctx context.Context, db *sqlite.DB) (*view, error) {
	v := &view{caller: b.o.View}
	r, err := db.Copy(ctx, filepath.Join(b.dir, DatabaseName), sqlite.CopyOptions{
		View:     v.read,
		Progress: func(done, total int64) { b.progress("copy", done, total) },
	})
	switch {
	case err != nil:
		return nil, err
	case v.callerErr != nil:
		return nil, v.callerErr
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.ViewErr != nil:
		v.damage(codeIntegrity, DatabaseName, "a database that can be read", reason(r.ViewErr))
	}
	b.m.Created = r.At.UTC()
	if b.c.Now != nil {
		b.m.Created = b.c.now()
	}
	b.m.Tool.SQLite = v.sqlite
	b.m.Schema, b.m.Counts, b.m.Space, b.m.Digest = v.schema, v.counts, v.space, v.digest
	b.m.Vectors = true
	b.m.Damaged = v.damaged
	b.add(File{Path: DatabaseName, Size: r.Size, SHA256: r.SHA256})
	return v, nil
}

// A view is what is known of the database at the instant that is copied.
type view struct {
	caller    func(*sqlite.Tx) error
	callerErr error

	sqlite    string
	schema    int
	counts    map[string]int64
	space     *Space
	originals []schema.Original
	all       bool // originals is not known: take whatever looks like one
	digest    string
	damaged   []Finding
}

func (v *view) damage(code, path, expected, found string) {
	v.damaged = append(v.damaged, damage(code, path, expected, found))
}

// read looks at everything, and goes on where a part cannot be read: a store is
// saved in whatever state it is.
func (v *view) read(tx *sqlite.Tx) error {
	try := func(code, path string, fn func() error) bool {
		err := fn()
		if err != nil {
			v.damage(code, path, "content that can be read", reason(err))
		}
		return err == nil
	}
	v.counts = map[string]int64{}
	try(codeIntegrity, DatabaseName, func() (err error) {
		if v.schema, err = schema.Version(tx); err != nil {
			return err
		}
		_, err = tx.QueryRow(func(r sqlite.Row) { v.sqlite = r.Text(0) }, `SELECT sqlite_version()`)
		return err
	})
	if known := len(schema.Migrations()); v.schema > known {
		v.damage(codeSchemaNewer, DatabaseName, fmt.Sprintf("schema %d at most, to know what belongs to it", known), fmt.Sprintf("schema %d", v.schema))
	}
	v.all = !try(codeIntegrity, "documents", func() (err error) {
		v.originals, err = schema.Originals(tx)
		return err
	})
	try(codeIntegrity, DatabaseName, func() error {
		counts, err := schema.Counts(tx)
		for name, n := range counts {
			v.counts[printable(name)] = n
		}
		return err
	})
	try(codeIntegrity, "spaces", func() error {
		id, sp, err := schema.ActiveSpace(tx)
		if id != 0 {
			v.space = &Space{Name: sp.Name, Dimensions: sp.Dimensions, Fingerprint: sp.Fingerprint}
		}
		return err
	})
	if v.schema <= len(schema.Migrations()) { // else it would be of the part that is known
		try(codeDigest, DatabaseName, func() (err error) {
			v.digest, _, err = schema.Digest(tx)
			return err
		})
	}
	if v.caller != nil {
		v.callerErr = v.caller(tx)
	}
	return nil
}

// takeOriginals copies the originals and gives those that are not there.
func (b *builder) takeOriginals(ctx context.Context, v *view) (missing []schema.Original, err error) {
	originals := v.originals
	if v.all {
		if originals, err = b.c.keptOriginals(); err != nil {
			return nil, err
		}
	}
	var done, total int64
	for _, o := range originals {
		total += o.Size
	}
	for _, o := range originals {
		err := b.takeOriginal(ctx, o)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, o)
		case err != nil:
			return nil, err
		}
		done += o.Size
		b.progress("files", done, total)
	}
	return missing, nil
}

// originalName is the path of an original, in a store and in a snapshot.
func originalName(sum string) string { return FilesName + "/" + sum[:2] + "/" + sum }

func (b *builder) takeOriginal(ctx context.Context, o schema.Original) error {
	name := originalName(o.SHA256)
	f, err := b.copyFile(ctx, name)
	if err != nil {
		return err
	}
	if f.SHA256 != o.SHA256 {
		b.damage(codeSourceDamaged, name, "SHA-256 "+o.SHA256, "SHA-256 "+f.SHA256)
	}
	b.add(f)
	return nil
}

// lookAgain says what it means that originals are missing. Records may have been
// removed, and then their originals, after the instant that was copied: then a
// later instant is the one to take. What records refer to even now is damage.
func (b *builder) lookAgain(ctx context.Context, db *sqlite.DB, missing []schema.Original, last bool) (gone bool, err error) {
	if len(missing) == 0 {
		return false, nil
	}
	now := map[string]bool{}
	err = db.Read(ctx, func(tx *sqlite.Tx) error {
		originals, err := schema.Originals(tx)
		for _, o := range originals {
			now[o.SHA256] = true
		}
		return err
	})
	if err != nil {
		if !unreadable(err) {
			return false, err
		}
		last = true
	}
	for _, o := range missing {
		if !now[o.SHA256] && !last {
			return true, nil
		}
		// It may have come back with another record: its name is its content.
		err := b.takeOriginal(ctx, o)
		if errors.Is(err, fs.ErrNotExist) {
			b.damage(codeOriginalMissing, originalName(o.SHA256), fmt.Sprintf("%d bytes", o.Size), "no file")
			err = nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// stripVectors removes the vectors from the copy, and with it from its hash.
func (b *builder) stripVectors(ctx context.Context) error {
	name := filepath.Join(b.dir, DatabaseName)
	err := sqlite.Edit(ctx, sqlite.Config{Path: name, CacheDir: b.c.CompileCache}, true, func(tx *sqlite.Tx) (err error) {
		if err := schema.StripVectors(tx); err != nil {
			return err
		}
		b.m.Counts, err = schema.Counts(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave vectors out: %w", err)
	}
	f, err := hashFile(ctx, name)
	if err != nil {
		return err
	}
	f.Path = DatabaseName
	b.m.Files[0] = f
	b.m.Vectors = false
	return nil
}

func (b *builder) damage(code, path, expected, found string) {
	b.m.Damaged = append(b.m.Damaged, damage(code, path, expected, found))
}

// damage is a finding about the store, not the snapshot.
func damage(code, path, expected, found string) Finding {
	f := finding(code, path, expected, found)
	if code != codeOriginalMissing {
		f.Hint = hints[codeSourceDamaged]
	}
	return f
}

func (b *builder) progress(step string, done, total int64) {
	if b.o.Progress != nil {
		b.o.Progress(Progress{Step: step, Done: done, Total: total})
	}
}
