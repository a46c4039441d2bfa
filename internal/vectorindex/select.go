package vectorindex

// A found is a code within the threshold, in one number: the distance in the upper
// 16 bits, below it what remains of the greatest position after taking off that of
// the code, block·BlockUnits + row. Ascending order is that of [Scan], because
// rows have the order of slots.
type found uint64

const maxPosition = 1<<48 - 1

func newFound(distance uint16, position uint64) found {
	return found(uint64(distance)<<48 | (maxPosition - position))
}

func (f found) distance() int    { return int(f >> 48) }
func (f found) position() uint64 { return maxPosition - uint64(f&maxPosition) }

// A selection keeps the n nearest of the codes that are offered to it in descending
// order of position.
//
// It gathers up to twice as many, then keeps the best half: each code is moved a
// constant number of times on average, and nearly all codes of a large corpus are
// refused by one comparison with the threshold.
type selection struct {
	n         int
	threshold uint16 // offers have to be below
	held      []found
	spare     []found
	starts    []int32 // scratch of sort, one for each distance
}

func newSelection(n, population, greatest int) *selection {
	n = min(n, population)
	room := min(2*n+64, population)
	return &selection{
		n:         n,
		threshold: uint16(greatest + 1),
		held:      make([]found, 0, room),
		spare:     make([]found, room),
		starts:    make([]int32, greatest+2),
	}
}

// offer takes a code whose distance is below the threshold.
func (s *selection) offer(distance uint16, position uint64) {
	if len(s.held) == cap(s.held) {
		s.shrink()
		if distance >= s.threshold {
			return
		}
	}
	s.held = append(s.held, newFound(distance, position))
}

// shrink keeps the n nearest. What is offered later has lower positions, so that it
// must be nearer than the last one held: an equal distance is not enough.
func (s *selection) shrink() {
	s.sort()
	if len(s.held) < s.n {
		return
	}
	s.held = s.held[:s.n]
	s.threshold = uint16(s.held[s.n-1].distance())
}

// sort orders what is held by counting distances. Equal distances keep their order,
// which is that of descending positions, as they were offered.
func (s *selection) sort() {
	clear(s.starts)
	for _, f := range s.held {
		s.starts[f.distance()+1]++
	}
	for d := 1; d < len(s.starts); d++ {
		s.starts[d] += s.starts[d-1]
	}
	sorted := s.spare[:len(s.held)]
	for _, f := range s.held {
		d := f.distance()
		sorted[s.starts[d]] = f
		s.starts[d]++
	}
	s.held, s.spare = sorted, s.held[:cap(s.held)]
}

// merge returns the first n of two ascending lists together.
func merge(a, b []found, n int) []found {
	out := make([]found, 0, min(n, len(a)+len(b)))
	for len(out) < n && len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0] < b[0] {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}
