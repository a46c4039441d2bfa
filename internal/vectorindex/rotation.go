package vectorindex

// A rotation mixes the dimensions of a vector, so that each number of the result
// says a little about all of them. Without it a code tells much about dimensions of
// small variance and little about those that matter, and next to nothing of a sparse
// vector, most of whose signs are those of zeros.
//
// It is the usual substitute for a random rotation: random signs and a Walsh-Hadamard
// transform, three times over. Its arithmetic is but additions and changes of sign,
// which every platform rounds alike.
type rotation struct {
	signs [3][]float32 // 1 or -1
}

// newRotation returns the rotation for vectors of so many dimensions into so many
// bits. It is a constant of the format: another one would make stored codes useless.
func newRotation(dimensions, bits int) *rotation {
	size := 1
	for size < max(dimensions, bits) {
		size *= 2
	}
	var r rotation
	state := uint64(0)
	for i := range r.signs {
		r.signs[i] = make([]float32, size)
		for j := range size {
			r.signs[i][j] = 1 - 2*float32(splitMix(&state)>>63)
		}
	}
	return &r
}

// size is the length of the vectors that are rotated: a power of two.
func (r *rotation) size() int { return len(r.signs[0]) }

// apply rotates a vector in place, and makes it √size³ times as long.
func (r *rotation) apply(v []float32) {
	for _, signs := range r.signs {
		for i, s := range signs {
			v[i] *= s
		}
		hadamard(v)
	}
}

// hadamard is the fast Walsh-Hadamard transform in natural order, two steps at a
// time. The length is a power of two.
func hadamard(v []float32) {
	h := 1
	for ; h*4 <= len(v); h *= 4 {
		for i := 0; i < len(v); i += 4 * h {
			a, b, c, d := v[i:i+h], v[i+h:i+2*h], v[i+2*h:i+3*h], v[i+3*h:i+4*h]
			for j := range a {
				b, c, d := &b[j], &c[j], &d[j]
				s, t, u, w := a[j]+*b, a[j]-*b, *c+*d, *c-*d
				a[j], *b, *c, *d = s+u, t+w, s-u, t-w
			}
		}
	}
	if h < len(v) {
		a, b := v[:h], v[h:]
		for j := range a {
			a[j], b[j] = a[j]+b[j], a[j]-b[j]
		}
	}
}

// splitMix is the generator SplitMix64 (Steele, Lea and Flood, 2014), written out
// because the sequence must never change.
func splitMix(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
