package textindex_test

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/textindex"
)

func TestSegment(t *testing.T) {
	r := random(2)
	for _, n := range []int{0, 1, 2, 63, 64, 65, 500, 5000} {
		units := randomUnits(r, n, r.Int64N(1<<39))
		verify(t, build(t, units), units)
	}
}

// TestBlockBytes holds the format to what the package comment says.
func TestBlockBytes(t *testing.T) {
	blocks := build(t, []unit{
		{number: 2050, body: []string{"abc", "abd"}},
		{number: 2053, head: []string{"abd"}},
		{number: 2055, body: []string{"abd"}},
	})
	body := "\x01\x80\x10" + // version, base 2048
		"\x82abc\x02" + // once in the body of 2048 + 2
		"\x20d\x03\x06" + // shares two; 3 postings in 6 bytes
		"\x05\x02" + // 2 bits a gap, exceptions; the first unit is 2048 + 2
		"\x06" + // gaps less one: 2, 1
		"\x01\x02\x20" + // one exception, by a bitmap of 1 byte: the second; once in the head
		"\x03\x00\x01\x00" // one restart, at byte 3
	sum := crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli))
	body += string([]byte{byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24)})
	if diff := cmp.Diff([]textindex.Block{{First: "abc", Data: []byte(body)}}, blocks); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

// TestFrequencies takes every kind of frequency through groups in which it is
// rare, frequent, or all there is.
func TestFrequencies(t *testing.T) {
	freqs := []textindex.Freq{{Body: 2}, {Body: 31}, {Body: 32}, {Head: 1}, {Head: 6, Body: 31}, {Head: 7}, {Head: 300, Body: 2}}
	for _, f := range freqs {
		for _, share := range []float64{0, 0.01, 0.1, 0.5, 1} {
			r := random(3)
			var units []unit
			for i := range int64(200) {
				u := unit{number: i, body: []string{"a"}}
				if r.Float64() < share || i == 199 {
					u.head = slices.Repeat([]string{"a"}, int(f.Head))
					u.body = slices.Repeat([]string{"a"}, int(f.Body))
				}
				units = append(units, u)
			}
			verify(t, build(t, units), units)
		}
	}
}

func TestUnitNumbers(t *testing.T) {
	units := []unit{
		{number: 0, body: []string{"a", "first"}},
		{number: 1, body: []string{"a"}},
		{number: 1 << 39, body: []string{"a"}},
		{number: textindex.MaxUnit - 1, body: []string{"a", "a"}},
		{number: textindex.MaxUnit, body: []string{"a", "last"}},
	}
	verify(t, build(t, units), units)
}

// TestParts makes terms of more than a block between terms of less.
func TestParts(t *testing.T) {
	r := random(5)
	var units []unit
	var number int64
	for i := range 80_000 {
		number += 1 + r.Int64N(1000)
		u := unit{number: number, body: []string{"huge"}}
		if i%2 == 0 {
			u.body = append(u.body, "hug", "last", "last")
		}
		if i%1000 == 0 {
			u.head = []string{"a", fmt.Sprint("hug", i), fmt.Sprint("hugf", i), fmt.Sprint("other", i)}
		}
		units = append(units, u)
	}
	blocks := build(t, units)
	verify(t, blocks, units)

	parts := map[string]int{}
	for _, b := range blocks {
		if b.Part != parts[b.First] {
			t.Fatalf("part %d of %q comes after %d parts", b.Part, b.First, parts[b.First])
		}
		parts[b.First]++
		if len(b.Data) > textindex.BlockBytes+400 {
			t.Errorf("block %q has %d bytes", b.First, len(b.Data))
		}
		n := 0
		for e, err := range open(t, b).Terms() {
			if n++; err != nil || n > 1 && (e.Term == "hug" || e.Term == "huge" || e.Term == "last") {
				t.Errorf("block %q: %q, %v: a huge term is not alone", b.First, e.Term, err)
			}
		}
		if parts[b.First] > 1 && n != 1 {
			t.Errorf("part %d of %q has %d terms", b.Part, b.First, n)
		}
	}
	if parts["hug"] < 2 || parts["huge"] < 2 || parts["last"] < 2 || parts["a"] != 1 || len(parts) != 7 {
		t.Errorf("parts %v: want several of hug, huge and last, and one of each run of terms around them", parts)
	}
}

func TestLookup(t *testing.T) {
	var units []unit
	for i := range int64(9000) {
		units = append(units, unit{number: i, body: []string{fmt.Sprintf("m%04d", 2*i)}})
	}
	blocks := build(t, units)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks, want more for this test", len(blocks))
	}
	for i := range 20_000 {
		term := fmt.Sprintf("m%04d", i)
		var want []textindex.Posting
		if i%2 == 0 && i < 18_000 {
			want = []textindex.Posting{{Unit: int64(i / 2), Freq: textindex.Freq{Body: 1}}}
		}
		if got := find(t, blocks, term); !cmp.Equal(want, got) {
			t.Fatalf("%q: %v, want %v", term, got, want)
		}
	}
	for _, term := range []string{"", "a", "m", "m000", "m00000", "m0000\x00", "z", strings.Repeat("m", 300)} {
		if got := find(t, blocks, term); got != nil {
			t.Errorf("%q: %v, want nothing", term, got)
		}
	}
	for _, b := range blocks { // also in blocks where the term cannot be
		for _, term := range []string{"a", "m9", "z"} {
			if p, ok, err := open(t, b).Find(term); ok || err != nil || p.Len() != 0 {
				t.Errorf("block %q has %q: %v, %v", b.First, term, ok, err)
			}
		}
	}
}

func TestPrefix(t *testing.T) {
	units := randomUnits(random(6), 3000, 0)
	blocks := build(t, units)
	want := modelOf(units)
	all := slices.Sorted(func(yield func(string) bool) {
		for term := range want {
			if !yield(term) {
				return
			}
		}
	})
	for _, prefix := range []string{"", "w", "w1", "w12", "w123", "long", "longlong", "longer", "\xff", "\xff\x11", "x", "a", all[0], all[len(all)-1]} {
		var terms []string
		for i, b := range blocks {
			// As the package comment says: from the greatest First that is not greater.
			if i+1 < len(blocks) && blocks[i+1].First <= prefix {
				continue
			}
			if b.First > prefix && !strings.HasPrefix(b.First, prefix) {
				break
			}
			for e, err := range open(t, b).Prefix(prefix) {
				if err != nil {
					t.Fatal(err)
				}
				if len(terms) == 0 || terms[len(terms)-1] != e.Term { // not another part
					terms = append(terms, e.Term)
				}
			}
		}
		var wanted []string
		for _, term := range all {
			if strings.HasPrefix(term, prefix) {
				wanted = append(wanted, term)
			}
		}
		if diff := cmp.Diff(wanted, terms); diff != "" {
			t.Errorf("%q (-want +got):\n%s", prefix, diff)
		}
	}
}

// TestPostingsCopy reads one value twice, and by groups.
func TestPostingsCopy(t *testing.T) {
	var units []unit
	for i := range int64(150) {
		units = append(units, unit{number: 3 * i, body: []string{"a"}})
	}
	p, _, err := open(t, build(t, units)[0]).Find("a")
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	copied := p
	var buf [textindex.GroupSize]textindex.Posting
	var got []textindex.Posting
	var lens []int
	for {
		group, err := copied.Next(&buf)
		if err != nil {
			t.Fatal(err)
		}
		if len(group) == 0 {
			break
		}
		got = append(got, group...)
		lens = append(lens, copied.Len())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("postings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{86, 22, 0}, lens); diff != "" || p.Len() != 150 {
		t.Errorf("left after each group, and %d in the original (-want +got):\n%s", p.Len(), diff)
	}
}

func TestBuilder(t *testing.T) {
	r := random(7)
	var b textindex.Builder
	for range 3 { // the memory is used again
		units := randomUnits(r, 800, 1000)
		for i, u := range units {
			if err := b.Add(u.number, u.vector()); err != nil {
				t.Fatal(err)
			}
			if i == 400 { // looking does not disturb
				verify(t, clone(b.Blocks()), units[:401])
			}
		}
		bad := append(unit{body: []string{"refused", "terms", "w1"}}.vector(), 0)
		if err := b.Add(1<<30, bad); err == nil {
			t.Fatal("a bad vector is taken")
		}
		last := units[len(units)-1].number
		for _, number := range []int64{-1, 0, last, textindex.MaxUnit + 1} {
			if err := b.Add(number, units[0].vector()); err == nil {
				t.Errorf("unit %d is taken after %d", number, last)
			}
		}
		verify(t, clone(b.Blocks()), units)
		for range b.Blocks() {
			break
		}
		b.Reset()
		if n := b.Postings(); n != 0 {
			t.Errorf("%d postings after Reset", n)
		}
	}
}
