// Package vectorindex finds the nearest of many vectors by one bit per dimension.
//
// A [Coder] takes a vector of length one, subtracts the corpus mean, rotates what is
// left, and keeps the signs. The number of signs in which two codes differ falls as
// the cosine of their vectors grows, and counting it costs a few nanoseconds, so
// that the whole corpus can be scanned where full vectors would have to be read from
// disk. What comes out are candidates, which [Refine] weighs by what else is known
// of the query: the caller scores the best of them exactly.
//
//	coder := mean.Coder()               // over the vectors of the corpus
//	code := make([]uint64, coder.Words())
//	coder.Encode(code, vector)
//	block, slot := vectorindex.Place(unit)
//	blocks[block].Set(slot, code)
//	…
//	query := coder.Query(vector)
//	candidates, err := vectorindex.Scan(ctx, blocks, query.Code(), nil, 4*n)
//	candidates = vectorindex.Refine(blocks, query, candidates, n)
//
// Units are numbered from 0 and live in blocks of [BlockUnits] consecutive
// numbers; block b of a slice holds the units from b·BlockUnits on. A nil block is
// an empty one.
//
// The package knows neither files nor databases. Results depend on nothing but the
// arguments: every platform and every number of processors gives the same.
//
// # Concurrency
//
// A [Coder] and a [Query] never change. A [Block] may be read by many at once, but
// not while it is changed: whoever changes a block that others may be scanning
// changes a [Block.Clone] and puts that in its place.
package vectorindex
