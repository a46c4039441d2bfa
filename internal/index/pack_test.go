package index_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/atocore/atocore/internal/index"
)

// FuzzUnpack reads packed columns that anybody may have written, with a checksum that
// holds: what is taken for a block can be used and packed again, and nothing takes
// memory out of proportion.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 129))
	for _, data := range packedBlocks(f) {
		body := data[:len(data)-4]
		f.Add(body)
		f.Add(body[:len(body)-9])
		f.Add(append(bytes.Clone(body), 0))
		absent := bytes.Clone(body) // the last span is of a unit that is not there
		absent[len(absent)-18], absent[len(absent)-17] = 0xff, 0x03
		f.Add(absent)
		for i := 129; i < len(body); i += 1 + len(body)/40 {
			other := bytes.Clone(body)
			other[i] ^= 0xff
			f.Add(other)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		const number = 3
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := index.Repack(index.Seal(body, number), number)
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<21+200*len(body)); got > most {
			t.Errorf("%d bytes took %d bytes of memory, want at most %d", len(body), got, most)
		}
		if err != nil {
			return
		}
		again, err := index.Repack(out, number)
		if err != nil || !bytes.Equal(again, out) {
			t.Errorf("what was packed is unpacked and packed to something else: %v", err)
		}
		if _, err := index.Repack(out, number+1); err == nil {
			t.Error("a block passes for one of another number")
		}
	})
}

// packedBlocks are those of a store.
func packedBlocks(f *testing.F) (blocks [][]byte) {
	index.Small(f)
	s := newStore(f, 3)
	s.fill(40)
	if err := s.pack(); err != nil {
		f.Fatal(err)
	}
	return [][]byte{reseal(s.blob(`SELECT data FROM unit_blocks WHERE block = 0`))}
}

// reseal gives a block of number 0 the number of the fuzz target.
func reseal(data []byte) []byte { return index.Seal(data[:len(data)-4], 3) }
