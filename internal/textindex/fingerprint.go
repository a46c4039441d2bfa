package textindex

// hashTerm is FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
func hashTerm[T string | []byte](term T) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(term) {
		h = (h ^ uint64(term[i])) * 0x100000001b3
	}
	return h
}

// hashPosting is the share of one term, by its hash, in a unit's fingerprint. The
// steps are the finalizer of MurmurHash3 (fmix64, by Austin Appleby): without them
// the hashes of like terms would not be independent, and sums of them might agree.
func hashPosting(term uint64, f Freq) uint64 {
	h := term ^ (uint64(f.Head)<<16|uint64(f.Body))*0x9e3779b97f4a7c15
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h
}
