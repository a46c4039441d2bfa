package vectorindex_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/internal/vectorindex"
)

// withChecksum makes bytes pass the first check, so that the others are reached.
func withChecksum(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone(data), crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

func gaussians(rng *rand.Rand, n, dimensions int) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, dimensions)
		for d := range vectors[i] {
			vectors[i][d] = float32(rng.NormFloat64())
		}
	}
	return vectors
}

func encode(c *vectorindex.Coder, v []float32) []uint64 {
	code := make([]uint64, c.Words())
	c.Encode(code, v)
	return code
}

// TestCoderGolden holds codes to what they were in the first release: stored codes
// and new ones are compared with each other. If it fails, change coderVersion.
func TestCoderGolden(t *testing.T) {
	mean := make([]float32, 5)
	v := make([]float32, 5)
	for i := range v {
		mean[i] = float32(i) / 16
		v[i] = float32(i*i) - 3
	}
	golden256 := []uint64{0x7dbf926bfe89a1db, 0xa66adc9344515b94, 0xc7009bc664142852, 0xb34d4f27ac19c80d}
	for bits, want := range map[int][]uint64{64: {0x6cea8566ba1dfa9f}, 256: golden256} {
		if diff := cmp.Diff(want, encode(vectorindex.NewCoderWithBits(mean, bits), v)); diff != "" {
			t.Errorf("%d bits (-want +got):\n%s", bits, diff)
		}
	}
	if got, want := vectorindex.NewCoder(mean).Identity(), uint64(0xe874a1aee31c1524); got != want {
		t.Errorf("Identity = %#x, want %#x", got, want)
	}
}

// TestCodesAreAngles draws pairs of vectors and compares the share of differing bits
// with the angle: for a random rotation it is angle/π on average.
func TestCodesAreAngles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	coder := vectorindex.NewCoderWithBits(make([]float32, 100), 4096)
	for _, near := range []float64{0, 0.5, 1, 3} {
		v := gaussians(rng, 2, 100)
		// Few dimensions carry the vectors, as in hashed words.
		clear(v[0][10:])
		for d := range v[1] {
			v[1][d] = float32(near)*v[0][d] + v[1][d]*0.3
		}
		var ab, aa, bb float64
		for d := range v[0] {
			a, b := float64(v[0][d]), float64(v[1][d])
			ab, aa, bb = ab+a*b, aa+a*a, bb+b*b
		}
		want := math.Acos(ab/math.Sqrt(aa*bb)) / math.Pi
		got := float64(hamming(encode(coder, v[0]))(encode(coder, v[1]))) / 4096
		if math.Abs(got-want) > 0.04 {
			t.Errorf("%.3f of the bits differ, want %.3f", got, want)
		}
	}
}

func TestEncodeLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	coder := vectorindex.NewCoder(gaussians(rng, 1, 70)[0])
	v := gaussians(rng, 1, 70)[0]
	want := encode(coder, v)
	for _, scale := range []float32{0x1p-60, 0x1p-3, 0x1p10, 0x1p60} {
		scaled := slices.Clone(v)
		for d := range scaled {
			scaled[d] *= scale
		}
		if diff := cmp.Diff(want, encode(coder, scaled)); diff != "" {
			t.Errorf("%v times as long (-want +got):\n%s", scale, diff)
		}
	}
	zero := encode(coder, make([]float32, 70))
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
		v[3] = bad
		if diff := cmp.Diff(zero, encode(coder, v)); diff != "" {
			t.Errorf("%v is not coded as zero (-want +got):\n%s", bad, diff)
		}
	}
}

func TestMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	vectors := gaussians(rng, 500, 33)
	identity := func() uint64 {
		m := vectorindex.NewMean(33)
		for _, v := range vectors {
			m.Add(v)
		}
		m.Add(make([]float32, 33)) // has no direction
		if got, want := m.Count(), int64(len(vectors)); got != want {
			t.Fatalf("Count = %d, want %d", got, want)
		}
		return m.Coder().Identity()
	}
	want := identity()
	for range 5 {
		rng.Shuffle(len(vectors), func(i, j int) { vectors[i], vectors[j] = vectors[j], vectors[i] })
		if got := identity(); got != want {
			t.Fatalf("in another order the identity is %x, want %x", got, want)
		}
	}

	// The mean of (3,4) and (-2,0) at length one is (-0.2, 0.4).
	m := vectorindex.NewMean(2)
	m.Add([]float32{3, 4})
	m.Add([]float32{-2, 0})
	if got, want := m.Coder().Identity(), vectorindex.NewCoder([]float32{-0.2, 0.4}).Identity(); got != want {
		t.Errorf("identity %x, want that of (-0.2, 0.4), %x", got, want)
	}
	if got, want := vectorindex.NewMean(2).Coder().Identity(), vectorindex.NewCoder([]float32{0, 0}).Identity(); got != want {
		t.Errorf("without vectors the identity is %x, want that of zero, %x", got, want)
	}
}

func TestParseCoder(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	v := gaussians(rng, 2, 90)
	want := vectorindex.NewCoderWithBits(v[0], 192)
	data, err := want.AppendBinary([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	data = data[len("before"):]
	got, err := vectorindex.ParseCoder(data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Identity() != want.Identity() || got.Dimensions() != 90 || got.Words() != 3 {
		t.Errorf("identity %x, %d dimensions, %d words", got.Identity(), got.Dimensions(), got.Words())
	}
	if diff := cmp.Diff(encode(want, v[1]), encode(got, v[1])); diff != "" {
		t.Errorf("codes differ (-want +got):\n%s", diff)
	}
	for i := range data {
		bad := slices.Clone(data)
		bad[i] ^= 0x04
		if _, err := vectorindex.ParseCoder(bad); !errors.Is(err, vectorindex.ErrDamaged) {
			t.Errorf("byte %d changed: error %v", i, err)
		}
		if _, err := vectorindex.ParseCoder(data[:i]); !errors.Is(err, vectorindex.ErrDamaged) {
			t.Errorf("cut after %d bytes: error %v", i, err)
		}
	}
	for name, fields := range map[string][]byte{
		"version":       {2, 1, 0, 1, 0, 0, 0, 0, 0},
		"no dimensions": {1, 0, 0, 1, 0},
		"no words":      {1, 1, 0, 0, 0, 0, 0, 0, 0},
		"many words":    {1, 1, 0, 65, 0, 0, 0, 0, 0},
		"too short":     {1, 2, 0, 1, 0, 0, 0, 0, 0},
		"not a number":  {1, 1, 0, 1, 0, 0, 0, 0xc0, 0x7f},
	} {
		if _, err := vectorindex.ParseCoder(withChecksum(fields)); !errors.Is(err, vectorindex.ErrDamaged) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzParseCoder(f *testing.F) {
	data, err := vectorindex.NewCoder([]float32{1, -0.5}).AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, false)
	f.Add(data[:len(data)-4], true)
	f.Fuzz(func(t *testing.T, data []byte, sum bool) {
		if sum {
			data = withChecksum(data)
		}
		c, err := vectorindex.ParseCoder(data)
		if err != nil {
			if !errors.Is(err, vectorindex.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(data, again); diff != "" {
			t.Errorf("read and written again (-want +got):\n%s", diff)
		}
		encode(c, make([]float32, c.Dimensions()))
	})
}
