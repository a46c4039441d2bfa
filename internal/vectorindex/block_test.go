package vectorindex_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/vectorindex"
)

// TestBlock holds a block against a map through random changes.
func TestBlock(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := vectorindex.NewBlock(3)
	want := map[int][]uint64{}
	check := func() {
		t.Helper()
		got := map[int][]uint64{}
		for slot := range vectorindex.BlockUnits {
			if code := b.Code(slot); code != nil {
				got[slot] = slices.Clone(code)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("block differs (-want +got):\n%s", diff)
		}
		occupied := b.Occupied()
		if b.Len() != len(want) || occupied.Count() != len(want) {
			t.Fatalf("Len %d, %d occupied, want %d", b.Len(), occupied.Count(), len(want))
		}
	}
	for i := range 5_000 {
		slot := rng.IntN(vectorindex.BlockUnits)
		switch {
		case i%3 == 0:
			b.Remove(slot)
			delete(want, slot)
		case i%10 == 1: // what is done to the original must not show in the clone
			old := b
			b = b.Clone()
			old.Set(slot, []uint64{7, 7, 7})
			old.Remove(vectorindex.BlockUnits - 1)
		default:
			code := []uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()}
			b.Set(slot, code)
			want[slot] = code
		}
		if i%500 == 0 {
			check()
		}
	}
	check()
}

func TestPlace(t *testing.T) {
	for unit, want := range map[int64][2]int{0: {0, 0}, 1023: {0, 1023}, 1024: {1, 0}, 5<<20 + 3: {5 << 10, 3}} {
		if b, s := vectorindex.Place(unit); b != want[0] || s != want[1] {
			t.Errorf("Place(%d) = %d, %d, want %v", unit, b, s, want)
		}
	}
}

func TestPackedBlock(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	coder := vectorindex.NewCoder(make([]float32, 100))
	for _, share := range []float64{0, 0.01, 0.5, 1} {
		b := randomBlocks(rng, 1, 2, share, ^uint64(0))[0]
		data := coder.AppendBlock([]byte("before"), 9, b)[len("before"):]
		got, err := coder.ParseBlock(data, 9)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, got, cmp.AllowUnexported(vectorindex.Block{}), ignoreEmpty); diff != "" {
			t.Errorf("share %v: block differs (-want +got):\n%s", share, diff)
		}
		if got, want := len(data), 151+16*b.Len(); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
	empty, err := coder.ParseBlock(coder.AppendBlock(nil, 0, nil), 0)
	if err != nil || empty.Len() != 0 {
		t.Errorf("nil block: %v, %v", empty.Len(), err)
	}
}

// ignoreEmpty takes a nil slice and an empty one for the same.
var ignoreEmpty = cmp.Comparer(func(a, b []uint64) bool { return slices.Equal(a, b) })

// TestPackedBlockDamaged changes every byte in turn, and cuts everywhere.
func TestPackedBlockDamaged(t *testing.T) {
	mean := make([]float32, 100)
	coder := vectorindex.NewCoder(mean)
	b := vectorindex.NewBlock(2)
	for slot := range 5 {
		b.Set(slot*200, []uint64{uint64(slot), 99})
	}
	data := coder.AppendBlock(nil, 3, b)
	for i := range data {
		bad := slices.Clone(data)
		bad[i] ^= 0x10
		if _, err := coder.ParseBlock(bad, 3); !errors.Is(err, vectorindex.ErrDamaged) {
			t.Errorf("byte %d changed: error %v", i, err)
		}
		if _, err := coder.ParseBlock(data[:i], 3); !errors.Is(err, vectorindex.ErrDamaged) {
			t.Errorf("cut after %d bytes: error %v", i, err)
		}
	}
	if _, err := coder.ParseBlock(data, 4); !errors.Is(err, vectorindex.ErrDamaged) {
		t.Errorf("block 3 as block 4: error %v", err)
	}
	if _, err := coder.ParseBlock(append(slices.Clone(data), 0), 3); !errors.Is(err, vectorindex.ErrDamaged) {
		t.Errorf("a byte too many: error %v", err)
	}
	body := data[:len(data)-4]
	for name, fields := range map[string][]byte{
		"a code too many": append(slices.Clone(body), make([]byte, 16)...),
		"half a code":     append(slices.Clone(body), make([]byte, 8)...),
		"a code too few":  body[:len(body)-16],
		"no bitmap":       body[:40],
		"version":         append([]byte{2}, body[1:]...),
	} {
		if _, err := coder.ParseBlock(withChecksum(fields), 3); !errors.Is(err, vectorindex.ErrDamaged) {
			t.Errorf("%s, with a checksum: error %v", name, err)
		}
	}
	mean[50] = 1e-6
	others := map[string]*vectorindex.Coder{
		"mean":       vectorindex.NewCoder(mean),
		"dimensions": vectorindex.NewCoder(make([]float32, 101)),
		"bits":       vectorindex.NewCoderWithBits(make([]float32, 100), 256),
	}
	for name, other := range others {
		if _, err := other.ParseBlock(data, 3); !errors.Is(err, vectorindex.ErrOtherCoder) {
			t.Errorf("other %s: error %v", name, err)
		}
	}
}

func FuzzParseBlock(f *testing.F) {
	coder := vectorindex.NewCoder(make([]float32, 64))
	b := vectorindex.NewBlock(1)
	f.Add(coder.AppendBlock(nil, 0, b), false)
	b.Set(77, []uint64{5})
	f.Add(coder.AppendBlock(nil, 0, b), false)
	f.Add(coder.AppendBlock(nil, 0, b)[:100], true)
	f.Fuzz(func(t *testing.T, data []byte, sum bool) {
		if sum {
			data = withChecksum(data)
		}
		got, err := coder.ParseBlock(data, 0)
		if err != nil {
			if !errors.Is(err, vectorindex.ErrDamaged) && !errors.Is(err, vectorindex.ErrOtherCoder) {
				t.Fatal(err)
			}
			return
		}
		if diff := cmp.Diff(data, coder.AppendBlock(nil, 0, got)); diff != "" {
			t.Errorf("read and written again (-want +got):\n%s", diff)
		}
	})
}
