package cached

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

// shards is how many directories the entries are in, by the first byte of their
// keys.
const shards = 256

// A key is the SHA-256 of space, purpose and text.
type key [sha256.Size]byte

func (e *Embedder) key(text string, purpose atocore.Purpose) key {
	h := sha256.New()
	var n [8]byte
	for _, part := range []string{e.space.Name, e.space.Fingerprint, text} {
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	binary.LittleEndian.PutUint64(n[:], uint64(e.space.Dimensions)<<8|uint64(purpose))
	h.Write(n[:])
	return key(h.Sum(nil))
}

func (e *Embedder) path(k key) string {
	name := hex.EncodeToString(k[:])
	return filepath.Join(e.dir, name[:2], name[2:]+suffix)
}

// suffix is what the files of entries end in, so that Clear removes no others.
const suffix = ".vec"

// magic begins an entry. Behind it are the key, the number of dimensions as 4
// bytes, the vector as 32-bit floats, and a CRC-32C over all of that; numbers are
// little endian.
const magic = "atovec1\n"

const overhead = len(magic) + sha256.Size + 4 + 4

func entrySize(dimensions int) int { return overhead + 4*dimensions }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encode(k key, v []float32) []byte {
	out := make([]byte, 0, entrySize(len(v)))
	out = append(append(out, magic...), k[:]...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(v)))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// decode reads an entry if it is whole, and that of the key.
func decode(src []byte, k key, dimensions int) ([]float32, bool) {
	if len(src) != entrySize(dimensions) {
		return nil, false
	}
	body, sum := src[:len(src)-4], binary.LittleEndian.Uint32(src[len(src)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, false
	}
	rest, ok := bytes.CutPrefix(body, slices.Concat([]byte(magic), k[:]))
	if !ok || binary.LittleEndian.Uint32(rest) != uint32(dimensions) {
		return nil, false
	}
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(rest[4+4*i:]))
	}
	return v, true
}

// diskBlock is what a file's size is rounded up to.
const diskBlock = 4096

func onDisk(size int64) int64 { return (size + diskBlock - 1) / diskBlock * diskBlock }

// abandoned is after how long a file that was never renamed is nobody's.
const abandoned = time.Hour

// evict removes the entries of a key's shard that were written first, down to
// nine tenths of its share of the room.
func (e *Embedder) evict(k key) {
	dir := filepath.Dir(e.path(k))
	type file struct {
		name string
		at   time.Time
		size int64
	}
	var files []file
	total := int64(0)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, d := range entries {
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if !strings.HasSuffix(d.Name(), suffix) {
			if time.Since(info.ModTime()) > abandoned {
				os.Remove(filepath.Join(dir, d.Name()))
			}
			continue
		}
		files = append(files, file{d.Name(), info.ModTime(), onDisk(info.Size())})
		total += onDisk(info.Size())
	}
	share := e.opts.MaxBytes / shards
	if total <= share {
		return
	}
	slices.SortFunc(files, func(a, b file) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	for _, f := range files {
		if total <= share-share/10 {
			return
		}
		if os.Remove(filepath.Join(dir, f.name)) == nil {
			total -= f.size
		}
	}
}

// Clear removes all entries in a directory, those of other embedders included,
// and leaves other files alone. A directory that is not there is empty.
func Clear(dir string) error {
	for i := range shards {
		shard := filepath.Join(dir, hex.EncodeToString([]byte{byte(i)}))
		entries, err := os.ReadDir(shard)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, d := range entries {
			if !strings.HasSuffix(d.Name(), suffix) && !strings.HasPrefix(d.Name(), "new-") {
				continue
			}
			if err := os.Remove(filepath.Join(shard, d.Name())); err != nil && !isAbsent(err) {
				return err
			}
		}
		os.Remove(shard) // if nothing else is in it
	}
	return nil
}

func isAbsent(err error) bool { return err != nil && errors.Is(err, fs.ErrNotExist) }
