package textindex_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/atocore/atocore/internal/textindex"
)

// seal appends the checksum to what stands before it.
func seal(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// block seals a block of base 0 with one restart.
func block(entries string) []byte { return seal([]byte("\x01\x00" + entries + "\x02\x00\x01\x00")) }

func TestOpenBlockErrors(t *testing.T) {
	good := build(t, randomUnits(random(13), 50, 0))[0].Data
	for i := range good {
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			if _, err := textindex.OpenBlock(bad); !errors.Is(err, textindex.ErrCorrupt) {
				t.Fatalf("byte %d flipped: %v, want ErrCorrupt", i, err)
			}
		}
		if _, err := textindex.OpenBlock(good[:i]); !errors.Is(err, textindex.ErrCorrupt) {
			t.Fatalf("cut off at %d: %v, want ErrCorrupt", i, err)
		}
	}
	tests := []struct{ name, body string }{
		{"another version", "\x02\x00\x80a\x01\x02\x00\x01\x00"},
		{"a base that is not round", "\x01\x01\x80a\x01\x02\x00\x01\x00"},
		{"a base beyond all", "\x01\x80\x80\x80\x80\x80\x80\x80\x80\x01\x80a\x01\x02\x00\x01\x00"},
		{"a base cut off", "\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"},
		{"no restart", "\x01\x00\x80a\x01\x02\x00\x00\x00"},
		{"no entry", "\x01\x00\x02\x00\x02\x00\x02\x00"},
		{"more restarts than bytes", "\x01\x00\x80a\x01\x02\x00\xff\x00"},
		{"too long", strings.Repeat("\x01", 1<<16)},
	}
	for _, tt := range tests {
		if _, err := textindex.OpenBlock(seal([]byte(tt.body))); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", tt.name, err)
		}
	}
}

// TestBlockErrors has faults behind a right checksum.
func TestBlockErrors(t *testing.T) {
	if err := readAll(block("\x00a\x02\x03\x02\x00\x00" + "\x80b\x01")); err != nil {
		t.Fatalf("a good block: %v", err)
	}
	tests := []struct{ name, entries string }{
		{"a term cut off", "\x82a"},
		{"a term without anything", "\x80a"},
		{"terms out of order", "\x80b\x01\x80a\x01"},
		{"the first term shares", "\x90b\x01"},
		{"a unit beyond all", "\x80a\x80\x80\x80\x80\x80\x80\x01"},
		{"no postings", "\x00a\x00\x02\x00\x00"},
		{"more postings than their bytes can hold", "\x00a\x41\x02\x00\x00"},
		{"a flood of postings", "\x00a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x02\x00\x00"},
		{"postings longer than the block", "\x00a\x01\x7f\x00\x00"},
		{"bytes after the postings", "\x00a\x01\x03\x00\x00\x00"},
		{"postings without a length", "\x00a\x01"},
		{"gaps missing", "\x00a\x40\x02\x02\x00"},
		{"a width beyond all", "\x00a\x02\x0a\x52\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		{"first unit beyond all", "\x00a\x01\x07\x00\x80\x80\x80\x80\x80\x40"},
		{"second unit beyond all", "\x00a\x02\x07\x00\xff\xff\xff\xff\xff\x1f"},
		{"exceptions missing", "\x00a\x01\x02\x01\x00"},
		{"no exceptions", "\x00a\x01\x03\x01\x00\x00"},
		{"more exceptions than postings", "\x00a\x01\x05\x01\x00\x02\x03\x20"},
		{"an exception beyond the postings", "\x00a\x01\x05\x01\x00\x01\x02\x20"},
		{"exceptions out of order", "\x00a\x20\x08\x01\x00\x02\x01\x00\x20\x20\x00"},
		{"the exception that is none", "\x00a\x01\x05\x01\x00\x01\x01\x01"},
		{"a frequency missing", "\x00a\x01\x04\x01\x00\x01\x01"},
	}
	for _, tt := range tests {
		data := block(tt.entries)
		if err := readAll(data); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: read: %v, want ErrCorrupt", tt.name, err)
		}
		segment := []textindex.Block{{First: "a", Data: data}}
		if _, err := textindex.CheckSegment(source(segment), nil); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: CheckSegment: %v, want ErrCorrupt", tt.name, err)
		}
		if _, err := merge(nil, segment); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: Merge: %v, want ErrCorrupt", tt.name, err)
		}
	}
}

// TestRestartErrors moves each restart of a block.
func TestRestartErrors(t *testing.T) {
	good := build(t, randomUnits(random(14), 200, 0))[0]
	count := int(binary.LittleEndian.Uint16(good.Data[len(good.Data)-6:]))
	if count < 10 {
		t.Fatalf("%d restarts, want more for this test", count)
	}
	for i := range count {
		for _, to := range []uint16{0, 1, 5, 1 << 15, 1<<16 - 1} {
			body := bytes.Clone(good.Data[:len(good.Data)-4])
			binary.LittleEndian.PutUint16(body[len(body)-2-2*count+2*i:], to)
			data := seal(body)
			if err := readAll(data); !errors.Is(err, textindex.ErrCorrupt) {
				t.Errorf("restart %d moved to %d: %v, want ErrCorrupt", i, to, err)
			}
			probe(data)
		}
	}
}

// TestRestartOrder has restarts that are well-formed in themselves.
func TestRestartOrder(t *testing.T) {
	entries := "\x01\x00"
	for c := 'b'; c < 'r'; c++ {
		entries += "\x80" + string(c) + "\x01"
	}
	good := seal([]byte(entries + "\x80r\x01" + "\x02\x00\x32\x00\x02\x00"))
	if err := readAll(good); err != nil {
		t.Fatalf("a good block: %v", err)
	}
	for name, data := range map[string][]byte{
		"the term at a restart is not greater": seal([]byte(entries + "\x80q\x01" + "\x02\x00\x32\x00\x02\x00")),
		"an entry before the first restart":    seal([]byte(entries + "\x05\x00\x01\x00")),
		"a restart missing":                    seal([]byte(entries + "\x80r\x01" + "\x02\x00\x01\x00")),
		"a restart at any entry":               seal([]byte("\x01\x00\x80b\x01\x80c\x01\x02\x00\x05\x00\x02\x00")),
		"a restart too many":                   seal([]byte(entries + "\x02\x00\x32\x00\x02\x00")),
	} {
		if err := readAll(data); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
}

// TestSegmentErrors puts good blocks together wrongly.
func TestSegmentErrors(t *testing.T) {
	one, two := block("\x80a\x01\x80c\x01"), block("\x80d\x01")
	huge, more := block("\x00h\x02\x03\x02\x00\x00"), block("\x80h\x09")
	type blocks = []textindex.Block
	good := blocks{{First: "a", Data: one}, {First: "d", Data: two}, {First: "h", Data: huge}, {First: "h", Part: 1, Data: more}}
	if _, err := textindex.CheckSegment(source(good), nil); err != nil {
		t.Fatalf("a good segment: %v", err)
	}
	tests := []struct {
		name   string
		blocks blocks
	}{
		{"a block twice", blocks{good[0], good[0]}},
		{"blocks out of order", blocks{good[1], good[0]}},
		{"terms overlap", blocks{good[0], {First: "b", Data: block("\x80b\x01")}}},
		{"First is not the first term", blocks{{First: "b", Data: one}}},
		{"a later part first", blocks{good[3]}},
		{"a part missing", blocks{good[2], {First: "h", Part: 2, Data: more}}},
		{"a part of another term", blocks{good[1], good[3]}},
		{"a negative part", blocks{{First: "d", Part: -1, Data: two}}},
		{"a part after several terms", blocks{good[0], {First: "a", Part: 1, Data: block("\x80a\x09")}}},
		{"a part with several terms", blocks{good[2], {First: "h", Part: 1, Data: block("\x80h\x09\x80i\x01")}}},
		{"units of parts do not ascend", blocks{good[2], {First: "h", Part: 1, Data: block("\x80h\x01")}}},
		{"bases differ", blocks{good[0], {First: "d", Data: seal([]byte("\x01\x80\x08\x80d\x01\x03\x00\x01\x00"))}}},
		{"restarts of a single term", blocks{{First: "d", Data: seal([]byte("\x01\x00\x80d\x01\x02\x00\x02\x00\x02\x00"))}}},
	}
	for _, tt := range tests {
		if _, err := textindex.CheckSegment(source(tt.blocks), nil); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: CheckSegment: %v, want ErrCorrupt", tt.name, err)
		}
		if _, err := merge(nil, tt.blocks, build(t, []unit{{number: 5, body: []string{"b"}}})); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: Merge: %v, want ErrCorrupt", tt.name, err)
		}
	}
}

// readAll reads all that is in a block and returns the first error.
func readAll(data []byte) error {
	b, err := textindex.OpenBlock(data)
	if err != nil {
		return err
	}
	var buf [textindex.GroupSize]textindex.Posting
	for e, err := range b.Terms() {
		if err != nil {
			return err
		}
		last := int64(-1)
		for {
			group, err := e.Postings.Next(&buf)
			if err != nil {
				return err
			}
			if len(group) == 0 {
				break
			}
			for _, p := range group {
				if p.Unit <= last || p.Unit > textindex.MaxUnit || p.Freq == (textindex.Freq{}) {
					panic("a posting that cannot be")
				}
				last = p.Unit
			}
		}
	}
	return nil
}

// probe looks terms up in a block that may be anything; it is enough that it
// returns.
func probe(data []byte) {
	b, err := textindex.OpenBlock(data)
	if err != nil {
		return
	}
	for _, term := range []string{"\x00", "a", "h", "longlong", "w100", "w99", "\xff\xff"} {
		if p, ok, err := b.Find(term); ok && err == nil {
			p.Append(nil)
		}
		for e, err := range b.Prefix(term) {
			if err == nil {
				e.Postings.Append(nil)
			}
		}
	}
}

func FuzzVector(f *testing.F) {
	r := random(15)
	for range 10 {
		f.Add([]byte(unit{head: randomTerms(r, 3), body: randomTerms(r, 9)}.vector()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v := textindex.Vector(data)
		v.Lengths()
		sum := v.Fingerprint()
		units := []unit{{number: 7}}
		for term, freq := range v.All() {
			units[0].head = append(units[0].head, slices.Repeat([]string{term}, int(freq.Head))...)
			units[0].body = append(units[0].body, slices.Repeat([]string{term}, int(freq.Body))...)
		}
		var b textindex.Builder
		err := v.Check()
		if added := b.Add(7, v); (added == nil) != (err == nil) {
			t.Fatalf("Check says %v, Add %v", err, added)
		}
		if err != nil {
			return
		}
		if again := units[0].vector(); again.Fingerprint() != sum {
			t.Fatalf("%q made again is %q", v, again)
		}
		verify(t, clone(b.Blocks()), units)
	})
}

func FuzzBlock(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		readAll(body)
		data := seal(body)
		readAll(data)
		probe(data)
	})
}

func FuzzMerge(f *testing.F) {
	addSeeds(f)
	other := build(f, randomUnits(random(16), 20, 0))
	f.Fuzz(func(t *testing.T, body []byte) {
		// The bytes are cut into two blocks whose First may fit.
		var hostile []textindex.Block
		for _, b := range bytes.SplitN(body, []byte("//"), 2) {
			first := ""
			if view, err := textindex.OpenBlock(seal(b)); err == nil {
				for e := range view.Terms() {
					first = e.Term
					break
				}
			}
			part := 0
			if len(hostile) > 0 && hostile[0].First == first {
				part = 1
			}
			hostile = append(hostile, textindex.Block{First: first, Part: part, Data: seal(b)})
		}
		_, checked := textindex.CheckSegment(source(hostile), nil)
		merged, err := merge(nil, hostile)
		if (checked == nil) != (err == nil) {
			t.Fatalf("CheckSegment says %v, Merge %v", checked, err)
		}
		for _, err := range []error{checked, err} {
			if err != nil && !errors.Is(err, textindex.ErrCorrupt) {
				t.Fatalf("%v is not ErrCorrupt", err)
			}
		}
		if err == nil {
			if _, err := textindex.CheckSegment(source(merged), nil); err != nil {
				t.Fatalf("the merged segment: %v", err)
			}
		}
		for _, err := range textindex.Merge([]iter.Seq2[textindex.Block, error]{source(other), source(hostile)},
			func(unit int64) bool { return unit%2 == 0 }) {
			if err != nil && !errors.Is(err, textindex.ErrCorrupt) {
				t.Fatalf("%v is not ErrCorrupt", err)
			}
		}
	})
}

// addSeeds adds blocks without their checksums.
func addSeeds(f *testing.F) {
	for _, n := range []int{1, 3, 30} {
		for _, b := range build(f, randomUnits(random(17), n, 0)) {
			f.Add(b.Data[:len(b.Data)-4])
		}
	}
	huge, more := block("\x00h\x02\x03\x02\x00\x00"), block("\x80h\x09")
	f.Add(slices.Concat(huge[:len(huge)-4], []byte("//"), more[:len(more)-4]))
}
