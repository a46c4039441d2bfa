package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/atocore/atocore/internal/lockfile"
	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// ValidateOptions says how to validate.
type ValidateOptions struct {
	// Vectors asks for vectors: a snapshot without them has the finding
	// vectors_snapshot_missing.
	Vectors bool

	// Trust leaves out the deep check where a check record vouches for these very
	// bytes. All bytes are hashed in any case.
	Trust bool

	// Progress, if not nil, hears how far it is.
	Progress func(Progress)
}

// A Report is what Validate found.
type Report struct {
	Stamp string `json:"stamp"`
	Path  string `json:"path"`
	OK    bool   `json:"ok"` // no findings

	// Intact: every byte is the one that was taken, whatever was wrong with the
	// store itself. It is what undoing a restore asks for.
	Intact bool `json:"intact"`

	// Deep: the database was examined, not vouched for by a check record.
	Deep     bool      `json:"deep"`
	Findings []Finding `json:"findings"` // never nil
}

// Validate examines a snapshot, named by its stamp or [Latest], and reports every
// fault by its code: the manifest; each file's presence, type, size and hash;
// files that do not belong there; and in the database, which is opened so that not
// a byte is written and no log beside it is read, SQLite's own checks, full text
// included, its tables and their rows, what is derived against what it is derived
// from, the originals it refers to, the embedding space, and the digest.
//
// Its outcome is kept as a [CheckRecord]. The error says that it could not look:
// [ErrNotFound], [ErrInvalid], or ctx is done.
func Validate(ctx context.Context, c Config, stamp string, o ValidateOptions) (Report, error) {
	s, err := Find(ctx, c, stamp)
	if err != nil {
		return Report{}, err
	}
	lock, err := c.lockDir(ctx, lockfile.Shared)
	if err != nil {
		return Report{}, err
	}
	defer lock.release()
	if !exists(s.Path) {
		return Report{}, fmt.Errorf("snapshot %s in %s: %w", s.Stamp, c.Dir(), ErrNotFound)
	}
	report, _, err := c.validate(ctx, s.Stamp, o)
	return report, err
}

// validate is Validate with the lock held. The record is the one that now stands
// for the snapshot, nil if there is none.
func (c Config) validate(ctx context.Context, stamp string, o ValidateOptions) (Report, *CheckRecord, error) {
	r := Report{Stamp: stamp, Path: filepath.Join(c.Dir(), stamp), Findings: []Finding{}}
	m, sum, err := ReadManifest(r.Path)
	var unsound *UnsoundError
	if errors.As(err, &unsound) {
		r.Findings = unsound.Findings
		return r, nil, nil
	}
	if err != nil {
		return r, nil, err
	}
	record := c.readRecord(stamp)
	deep := m.Kind == KindStore && !(o.Trust && record.vouches(sum))

	// The two read the same file, one as bytes, one as a database.
	var examined []Finding
	var examineErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if deep {
			examined, examineErr = c.examine(ctx, r.Path, &m)
		}
	}()
	files, err := checkFiles(ctx, r.Path, &m, o.Progress)
	if err == nil && deep && o.Progress != nil {
		o.Progress(Progress{Step: "check", Total: m.bytes()})
	}
	<-done
	if err = errors.Join(err, examineErr); err != nil {
		return r, nil, fmt.Errorf("validate snapshot %s: %w", stamp, err)
	}
	if deep && o.Progress != nil {
		o.Progress(Progress{Step: "check", Done: m.bytes(), Total: m.bytes()})
	}

	r.Intact, r.Deep = len(files) == 0, deep
	r.Findings = append(append(append(r.Findings, files...), examined...), ofSource(&m)...)
	r.OK = len(r.Findings) == 0
	if deep || len(files) > 0 {
		// By a program that knows the schema: another one's findings may be its own.
		if m.Schema <= len(schema.Migrations()) {
			record = c.keepRecord(ctx, r, sum)
		}
	}
	if m.Schema > len(schema.Migrations()) && !deep {
		r.Findings = append(r.Findings, newer(m.Schema))
	}
	if o.Vectors && !m.Vectors {
		r.Findings = append(r.Findings, finding(codeVectorsMissing, DatabaseName, "vectors", "a snapshot taken without them"))
	}
	r.OK = len(r.Findings) == 0
	return r, record, nil
}

func (c Config) keepRecord(ctx context.Context, r Report, sum string) *CheckRecord {
	record := CheckRecord{
		Stamp: r.Stamp, Manifest: sum, Checks: checksVersion, OK: r.OK, Findings: r.Findings,
		Version: c.Version, At: c.now(),
	}
	if err := c.writeRecord(record); err != nil {
		// It only saves work.
		c.log().DebugContext(ctx, "check record not kept", "stamp", r.Stamp, "error", err)
	}
	return &record
}

// ofSource gives what the manifest says about the store that was saved.
func ofSource(m *Manifest) []Finding {
	var all []Finding
	if m.Kind == KindRaw {
		all = append(all, finding(codeRaw, DatabaseName, "a copy of one instant", "the files as they were, of a store that could not be read"))
	}
	for _, d := range m.Damaged {
		f := finding(codeSourceDamaged, d.Path, d.Expected, d.Code+": "+d.Found)
		f.Hint = d.Hint
		all = append(all, f)
	}
	return all
}

func newer(version int) Finding {
	return finding(codeSchemaNewer, DatabaseName, fmt.Sprintf("schema %d at most", len(schema.Migrations())), fmt.Sprintf("schema %d", version))
}

// checkFiles holds the files that are there against the manifest, and hashes them.
func checkFiles(ctx context.Context, dir string, m *Manifest, progress func(Progress)) (found []Finding, err error) {
	add := func(code, path, expected, what string) {
		found = append(found, finding(code, path, expected, what))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()

	dirs := map[string]bool{".": true}
	for _, f := range m.Files {
		for d := path.Dir(f.Path); d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	wrong := map[string]bool{} // of those that are listed, those that are no plain files
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			add(codeFileType, name, "a directory that can be read", reason(err))
			return fs.SkipDir
		}
		_, listed := m.file(name)
		switch {
		case listed && !e.Type().IsRegular():
			wrong[name] = true
			add(codeFileType, name, "a plain file", typeName(e.Type()))
		case listed, name == ManifestName, e.IsDir() && dirs[name]:
			return ctx.Err()
		default:
			add(codeFileExtra, name, "only what the manifest lists", typeName(e.Type()))
		}
		if e.IsDir() {
			return fs.SkipDir
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}

	total, read := m.bytes(), int64(0)
	for _, f := range m.Files {
		if wrong[f.Path] {
			continue
		}
		finding, err := checkFile(ctx, root, f, func(n int64) {
			read += n
			if progress != nil {
				progress(Progress{Step: "hash", Done: read, Total: total})
			}
		})
		if err != nil {
			return nil, err
		}
		if finding != nil {
			found = append(found, *finding)
		}
	}
	return found, nil
}

// checkFile reads one file; the error is that of ctx. The type has been looked at.
func checkFile(ctx context.Context, root *os.Root, want File, progress func(n int64)) (*Finding, error) {
	fail := func(code, expected, what string) (*Finding, error) {
		f := finding(code, want.Path, expected, what)
		return &f, ctx.Err()
	}
	size := fmt.Sprintf("%d bytes", want.Size)
	in, err := root.Open(filepath.FromSlash(want.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return fail(codeFileMissing, size, "no file")
	}
	if err != nil {
		return fail(codeFileHash, "a file that can be read", reason(err))
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fail(codeFileHash, "a file that can be read", reason(err))
	}
	if info.Size() != want.Size {
		return fail(codeFileSize, size, fmt.Sprintf("%d bytes", info.Size()))
	}
	got, err := hashTo(ctx, in, io.Discard, progress)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return fail(codeFileHash, "a file that can be read", reason(err))
	case got.SHA256 != want.SHA256:
		return fail(codeFileHash, "SHA-256 "+want.SHA256, "SHA-256 "+got.SHA256)
	}
	return nil, nil
}

// isPlain reports whether name is a plain file, and no link to one.
func isPlain(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode().IsRegular()
}

// openCopy opens a snapshot's database to read it.
func (c Config) openCopy(ctx context.Context, dir string) (*sqlite.DB, error) {
	return sqlite.OpenImmutable(ctx, sqlite.Config{
		Path: filepath.Join(dir, DatabaseName), CacheDir: c.CompileCache, Readers: 2, Logger: c.Logger,
	})
}
