package vectorindex

import "math/bits"

// distances writes into out how far each code is from the query's. The lengths
// that embedders have are written out: the loop then costs little more than the
// population counts themselves.
func distances(out *[BlockUnits]uint16, codes, query []uint64) {
	switch len(query) {
	case 4:
		distances4(out, codes, (*[4]uint64)(query))
	case 6:
		distances6(out, codes, (*[6]uint64)(query))
	case 8:
		distances8(out, codes, (*[8]uint64)(query))
	case 12:
		distances12(out, codes, (*[12]uint64)(query))
	case 16:
		distances16(out, codes, (*[16]uint64)(query))
	default:
		n := len(query)
		for i := range len(codes) / n {
			out[i] = uint16(distance(codes[i*n:i*n+n], query))
		}
	}
}

// distance returns the number of bits in which two codes of one length differ.
func distance(a, b []uint64) int {
	n := 0
	b = b[:len(a)]
	for i, w := range a {
		n += bits.OnesCount64(w ^ b[i])
	}
	return n
}

func distances4(out *[BlockUnits]uint16, codes []uint64, q *[4]uint64) {
	for i := 0; i < BlockUnits && len(codes) >= 4; i++ {
		c := (*[4]uint64)(codes)
		out[i] = uint16(bits.OnesCount64(c[0]^q[0]) + bits.OnesCount64(c[1]^q[1]) +
			bits.OnesCount64(c[2]^q[2]) + bits.OnesCount64(c[3]^q[3]))
		codes = codes[4:]
	}
}

func distances6(out *[BlockUnits]uint16, codes []uint64, q *[6]uint64) {
	for i := 0; i < BlockUnits && len(codes) >= 6; i++ {
		c := (*[6]uint64)(codes)
		out[i] = uint16(bits.OnesCount64(c[0]^q[0]) + bits.OnesCount64(c[1]^q[1]) +
			bits.OnesCount64(c[2]^q[2]) + bits.OnesCount64(c[3]^q[3]) +
			bits.OnesCount64(c[4]^q[4]) + bits.OnesCount64(c[5]^q[5]))
		codes = codes[6:]
	}
}

func distances8(out *[BlockUnits]uint16, codes []uint64, q *[8]uint64) {
	for i := 0; i < BlockUnits && len(codes) >= 8; i++ {
		c := (*[8]uint64)(codes)
		out[i] = uint16(bits.OnesCount64(c[0]^q[0]) + bits.OnesCount64(c[1]^q[1]) +
			bits.OnesCount64(c[2]^q[2]) + bits.OnesCount64(c[3]^q[3]) +
			bits.OnesCount64(c[4]^q[4]) + bits.OnesCount64(c[5]^q[5]) +
			bits.OnesCount64(c[6]^q[6]) + bits.OnesCount64(c[7]^q[7]))
		codes = codes[8:]
	}
}

func distances12(out *[BlockUnits]uint16, codes []uint64, q *[12]uint64) {
	for i := 0; i < BlockUnits && len(codes) >= 12; i++ {
		c := (*[12]uint64)(codes)
		out[i] = uint16(bits.OnesCount64(c[0]^q[0]) + bits.OnesCount64(c[1]^q[1]) +
			bits.OnesCount64(c[2]^q[2]) + bits.OnesCount64(c[3]^q[3]) +
			bits.OnesCount64(c[4]^q[4]) + bits.OnesCount64(c[5]^q[5]) +
			bits.OnesCount64(c[6]^q[6]) + bits.OnesCount64(c[7]^q[7]) +
			bits.OnesCount64(c[8]^q[8]) + bits.OnesCount64(c[9]^q[9]) +
			bits.OnesCount64(c[10]^q[10]) + bits.OnesCount64(c[11]^q[11]))
		codes = codes[12:]
	}
}

func distances16(out *[BlockUnits]uint16, codes []uint64, q *[16]uint64) {
	for i := 0; i < BlockUnits && len(codes) >= 16; i++ {
		c := (*[16]uint64)(codes)
		out[i] = uint16(bits.OnesCount64(c[0]^q[0]) + bits.OnesCount64(c[1]^q[1]) +
			bits.OnesCount64(c[2]^q[2]) + bits.OnesCount64(c[3]^q[3]) +
			bits.OnesCount64(c[4]^q[4]) + bits.OnesCount64(c[5]^q[5]) +
			bits.OnesCount64(c[6]^q[6]) + bits.OnesCount64(c[7]^q[7]) +
			bits.OnesCount64(c[8]^q[8]) + bits.OnesCount64(c[9]^q[9]) +
			bits.OnesCount64(c[10]^q[10]) + bits.OnesCount64(c[11]^q[11]) +
			bits.OnesCount64(c[12]^q[12]) + bits.OnesCount64(c[13]^q[13]) +
			bits.OnesCount64(c[14]^q[14]) + bits.OnesCount64(c[15]^q[15]))
		codes = codes[16:]
	}
}
