package textindex_test

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/textindex"
)

func TestVector(t *testing.T) {
	r := random(1)
	for range 2000 {
		u := unit{head: randomTerms(r, r.IntN(20)), body: randomTerms(r, r.IntN(200))}
		v := u.vector()
		if err := v.Check(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(u.freqs(), maps.Collect(v.All())); diff != "" {
			t.Fatalf("terms (-want +got):\n%s", diff)
		}
		var terms []string
		for term := range v.All() {
			terms = append(terms, term)
		}
		if !slices.IsSorted(terms) {
			t.Fatalf("terms are not in order: %q", terms)
		}
		head, body := v.Lengths()
		if diff := cmp.Diff([]int{len(u.head), len(u.body)}, []int{head, body}); diff != "" {
			t.Fatalf("lengths (-want +got):\n%s", diff)
		}
	}
}

// TestVectorBytes holds the format to what the package comment says.
func TestVectorBytes(t *testing.T) {
	x := strings.Repeat("x", 20)
	got := textindex.AppendVector([]byte("dst"), []string{"abc"},
		append(slices.Repeat([]string{"abd"}, 32), "abc", x, x+"y"))
	want := "dst\x01\x23" +
		"\x02abc\x21" + // head once, body once
		"\x20d\xe0\x00\x20" + // shares two; 32 times
		"\x8f\x04" + x + // 15 + 4 + 1 bytes, once in the body
		"\xf0\x0dy" // shares 7 + 13
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("vector (-want +got):\n%s", diff)
	}
}

func TestVectorSaturates(t *testing.T) {
	v := unit{body: slices.Repeat([]string{"a"}, math.MaxUint16+10)}.vector()
	if err := v.Check(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]textindex.Freq{"a": {Body: math.MaxUint16}}, maps.Collect(v.All())); diff != "" {
		t.Errorf("terms (-want +got):\n%s", diff)
	}
	if _, body := v.Lengths(); body != math.MaxUint16+10 {
		t.Errorf("length %d, want %d", body, math.MaxUint16+10)
	}
}

func TestVectorRefusesTerms(t *testing.T) {
	for _, term := range []string{"", strings.Repeat("x", textindex.MaxTermBytes+1)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a term of %d bytes is taken", len(term))
				}
			}()
			textindex.AppendVector(nil, nil, []string{term})
		}()
	}
	v := textindex.Vector(textindex.AppendVector(nil, nil, []string{strings.Repeat("x", textindex.MaxTermBytes)}))
	if err := v.Check(); err != nil {
		t.Errorf("the longest term is refused: %v", err)
	}
}

func TestVectorCheck(t *testing.T) {
	tests := []struct{ name, data string }{
		{"nothing", ""},
		{"one length", "\x00"},
		{"a length beyond all", "\x00\xff\xff\xff\xff\xff\x0f"},
		{"terms missing", "\x00\x01"},
		{"a term too many", "\x00\x01\x80a\x80b"},
		{"a term cut off", "\x00\x01\x81a"},
		{"terms out of order", "\x00\x02\x80b\x80a"},
		{"a term twice", "\x00\x02\x80b\x80b"},
		{"shares more than there is", "\x00\x01\x90a"},
		{"shares less than it could", "\x00\x02\x81aa\x81ab"},
		{"a term too long", "\x00\x01\x8f\xf0\x01" + strings.Repeat("x", 256)},
		{"a length cut off", "\x00\x01\x8f"},
		{"a frequency missing", "\x00\x01\x00a"},
		{"no occurrence", "\x00\x00\x00a\x00"},
		{"once, the long way", "\x00\x01\x00a\x01"},
		{"short frequency, the long way", "\x00\x02\x00a\xe0\x00\x02"},
		{"an unknown long frequency", "\x00\x40\x00a\xe1\x00\x40"},
		{"a frequency beyond all", "\x00\x40\x00a\xe0\x00\x80\x80\x04"},
		{"a frequency cut off", "\x00\x40\x00a\xe0\x00"},
	}
	for _, tt := range tests {
		v := textindex.Vector(tt.data)
		if err := v.Check(); !errors.Is(err, textindex.ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", tt.name, err)
		}
		var b textindex.Builder
		if err := b.Add(1, v); !errors.Is(err, textindex.ErrCorrupt) || b.Postings() != 0 {
			t.Errorf("%s: Add: %v and %d postings, want ErrCorrupt and none", tt.name, err, b.Postings())
		}
		for range b.Blocks() {
			t.Errorf("%s: a refused vector leaves a block", tt.name)
		}
	}
}

func TestFingerprint(t *testing.T) {
	seen := map[uint64]string{}
	for _, u := range []unit{
		{body: []string{"a"}}, {head: []string{"a"}}, {body: []string{"a", "a"}}, {body: []string{"b"}},
		{body: []string{"a", "b"}}, {head: []string{"a"}, body: []string{"b"}},
		{head: []string{"b"}, body: []string{"a"}}, {body: []string{"ab"}}, {body: []string{"ba"}}, {},
	} {
		v := u.vector()
		if other, ok := seen[v.Fingerprint()]; ok {
			t.Errorf("%q and %q have one fingerprint", v, other)
		}
		seen[v.Fingerprint()] = string(v)
	}
	// Callers may keep fingerprints, so they must not change.
	if got, want := (unit{body: []string{"a"}}).vector().Fingerprint(), uint64(0xce2a15429808ee9a); got != want {
		t.Errorf("fingerprint %#x, want %#x", got, want)
	}
}
