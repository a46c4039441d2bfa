package foreign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

const (
	// attempts is how often a copy is tried of what is being written.
	attempts = 6

	copyBlock = 1 << 20
)

// CopyFile copies one file, as it was at one instant, into a private directory of
// its own under dir, "" being the system's place, and returns the copy's name. The
// caller calls remove when done with it. Errors are those of Open.
func CopyFile(ctx context.Context, path, dir string) (name string, remove func() error, err error) {
	dir, err = os.MkdirTemp(dir, "atocore-import-") // 0700
	if err != nil {
		return "", nil, sqlite.FileError("copy", dir, err)
	}
	name = filepath.Join(dir, "copy")
	if err := snapshot(ctx, path, []string{""}, name, nil); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return name, func() error { return os.RemoveAll(dir) }, nil
}

// snapshot copies path and what lies beside it under the suffixes to dst, as they
// all were at one instant: what a crash at that instant would have left, which is
// what SQLite knows how to recover.
//
// Each file is read twice, all of them once before any of them again. Where both
// readings agree, every byte was between the two what it was in both. Times of
// change are too coarse to tell as much.
func snapshot(ctx context.Context, path string, suffixes []string, dst string, copied func()) error {
	// SQLite follows links too, and looks for the others beside the target.
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for n := range attempts {
		if n > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(n*n) * 20 * time.Millisecond):
			}
		}
		same, err := tryCopy(ctx, path, suffixes, dst, copied)
		if err != nil || same {
			return err
		}
	}
	return &sqlite.Error{
		Op: "copy", Path: path, Kind: sqlite.ErrBusy,
		Err:  fmt.Errorf("it was written to during each of %d attempts", attempts),
		Hint: "stop the program that writes to it, or try again",
	}
}

func tryCopy(ctx context.Context, path string, suffixes []string, dst string, copied func()) (same bool, err error) {
	first := make([]reading, len(suffixes))
	for i, suffix := range suffixes {
		if first[i], err = copyOne(ctx, path+suffix, dst+suffix); err != nil {
			return false, err
		}
		if suffix == "" && first[i].info == nil {
			return false, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
	}
	if copied != nil {
		copied()
	}
	for i, suffix := range suffixes {
		again, err := read(ctx, path+suffix, io.Discard)
		if err != nil {
			return false, err
		}
		if !first[i].equal(&again) {
			return false, nil
		}
	}
	return true, nil
}

// fullHint adds to an error that the place of the copies is full what to do.
func fullHint(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && errors.Is(e.Kind, sqlite.ErrFull) {
		e.Hint = "free some space, or have copies made on another disk by TMPDIR"
	}
	return err
}

// copyOne copies a file, or sees to it that there is no copy where it is not there.
func copyOne(ctx context.Context, src, dst string) (r reading, err error) {
	if err := os.Remove(dst); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return r, fullHint(sqlite.FileError("copy", dst, err))
	}
	r, err = read(ctx, src, out)
	err = errors.Join(err, fullHint(sqlite.FileError("copy", dst, out.Close())))
	if err == nil && r.info == nil {
		err = os.Remove(dst)
	}
	return r, err
}

// A reading is what a file was when it was read; info is nil where there was none.
type reading struct {
	info fs.FileInfo
	size int64
	sum  []byte
}

func (r *reading) equal(b *reading) bool {
	if r.info == nil || b.info == nil {
		return r.info == nil && b.info == nil
	}
	return os.SameFile(r.info, b.info) && r.size == b.size && bytes.Equal(r.sum, b.sum)
}

// read reads src to its end. Anything but a file, a pipe that never ends say, is
// refused.
func read(ctx context.Context, src string, w io.Writer) (r reading, err error) {
	info, err := os.Lstat(src)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if !info.Mode().IsRegular() {
		return r, &fs.PathError{Op: "open", Path: src, Err: errors.New("is not a file")}
	}
	f, err := os.Open(src)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer f.Close()
	if r.info, err = f.Stat(); err != nil {
		return r, err
	}
	if !r.info.Mode().IsRegular() {
		return r, &fs.PathError{Op: "open", Path: src, Err: errors.New("is not a file")}
	}
	h := sha256.New()
	r.size, err = transfer(ctx, f, w, h)
	r.sum = h.Sum(nil)
	return r, err
}

func transfer(ctx context.Context, f *os.File, w io.Writer, h hash.Hash) (size int64, err error) {
	block := make([]byte, copyBlock)
	for {
		if err := ctx.Err(); err != nil {
			return size, err
		}
		n, err := f.Read(block)
		if n > 0 {
			h.Write(block[:n])
			if _, err := w.Write(block[:n]); err != nil {
				return size, fullHint(sqlite.FileError("copy", "", err))
			}
			size += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// journalMagic begins a rollback journal, and ends one of a transaction over several
// databases.
var journalMagic = []byte{0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7}

// maxSuperName bounds the name of a super-journal. SQLite's own bound is lower, and
// what is beyond it is no name to it.
const maxSuperName = 64 << 10

// disarm takes the name of a super-journal out of a copied journal. A transaction
// over several databases ends with the removal of the one file that all their
// journals name, by its absolute path: whoever rolls back looks for that file, and
// removes it in the end. That one is not ours, and the name can be anybody's.
//
// While the file is there the transaction is undecided, and is rolled back without
// it; once it is gone the transaction is committed, and the journal says nothing.
func disarm(journal string) error {
	name, at, err := superJournal(journal)
	if err != nil || name == "" {
		return err
	}
	if _, err := os.Lstat(name); err != nil {
		return os.Remove(journal)
	}
	return os.Truncate(journal, at)
}

// superJournal finds the name at the end of a journal, and the offset where what
// belongs to it begins.
func superJournal(journal string) (name string, at int64, err error) {
	f, err := os.Open(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	// A page number that is none, the name, its length, a sum of its bytes, the magic.
	tail := make([]byte, 16)
	end := info.Size() - int64(len(tail))
	if end < 0 {
		return "", 0, nil
	}
	if _, err := f.ReadAt(tail, end); err != nil {
		return "", 0, err
	}
	n := int64(binary.BigEndian.Uint32(tail))
	if !bytes.Equal(tail[8:], journalMagic) || n == 0 || n > maxSuperName || n > end {
		return "", 0, nil
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, end-n); err != nil {
		return "", 0, err
	}
	sum := binary.BigEndian.Uint32(tail[4:])
	for _, c := range b {
		sum -= uint32(int32(int8(c)))
	}
	if sum != 0 {
		return "", 0, nil
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b), max(0, end-n-4), nil
}
