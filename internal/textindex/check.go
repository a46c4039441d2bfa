package textindex

import "iter"

// Stats are the totals of a segment.
type Stats struct {
	Blocks   int
	Bytes    int64 // of the data of blocks
	Terms    int   // distinct ones
	Postings int64
}

// CheckSegment reads the whole of a segment, and returns an error at the first
// fault: one that is [ErrCorrupt], or the one that blocks ended with. It checks
// the order of blocks, terms and units, checksums, and that all bytes can be
// decoded and belong to something.
//
// It calls add, if that is not nil, for each posting. The sum of the h of one unit
// is the fingerprint of its vector, and their number is how many distinct terms it
// has; so the index can be held against the records in one pass. Units that are
// gone but not merged away yet are among them.
func CheckSegment(blocks iter.Seq2[Block, error], add func(unit int64, h uint64)) (Stats, error) {
	if add == nil {
		add = func(int64, uint64) {}
	}
	s := newStream(blocks)
	defer s.stop()
	var stats Stats
	for s.nextTerm() {
		stats.Terms++
		hash := hashTerm(s.term())
		for s.nextGroup() {
			stats.Postings += int64(len(s.group))
			for _, p := range s.group {
				add(p.Unit, hashPosting(hash, p.Freq))
			}
		}
	}
	stats.Blocks, stats.Bytes = s.blocks, s.bytes
	return stats, s.err
}
