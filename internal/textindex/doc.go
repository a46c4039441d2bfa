// Package textindex keeps an inverted index in packed blobs.
//
// A unit is one searchable thing. It has a number, from 0 to [MaxUnit], and two
// fields, head and body, each a list of terms. The package turns units into
// segments, merges segments, and reads from them how often a term stands in which
// unit. It does no I/O and knows nothing of scores: the caller keeps the blobs,
// in rows of a database for instance, and does the arithmetic.
//
// # Where to start
//
// [AppendVector] makes the term vector of one unit: small, and worth keeping with
// the record, because everything else can be made from it again. A [Builder]
// turns the vectors of many units into the blocks of a segment, [Merge] turns
// several segments into one and leaves out the units that are gone, [OpenBlock]
// and [BlockView.Find] read one. [CheckSegment] verifies a segment and gives out
// what it says of each unit, to be held against [Vector.Fingerprint].
//
// # Segments
//
// A segment is a set of blocks in the order of (First, Part). A block holds a run
// of terms in byte order, each with its postings. Only a term whose postings do
// not fit into one block has several, which hold nothing else: First is the term
// and Part is 0, 1, 2 and so on, with ascending units. To look up a term take,
// among the blocks of the segment, the greatest First that is not greater than
// the term, and all its parts. The terms with a prefix stand in the block found
// in that way for the prefix, and in those after it whose First has the prefix.
//
// Segments are immutable. The same unit may not be in two segments that are
// searched or merged together.
//
// # Format
//
// Numbers are unsigned varints as in encoding/binary where nothing else is said,
// fixed ones are little-endian. A block is
//
//	version   1 byte, 1
//	base      a multiple of 1,024 that no unit of the segment is below, the same in
//	          all its blocks
//	entries   one for each term
//	restarts  2 bytes each: where every 16th entry begins, the first one included
//	count     2 bytes: how many restarts
//	checksum  4 bytes: CRC-32C of all before it
//
// An entry begins with a byte of three parts: a flag (the highest bit), how many
// bytes the term shares with the one before (three bits; 7 means that a number
// follows, of those beyond 7), and how many follow less one (four bits; 15 means
// that a number follows, of those beyond 15). Entries at a restart share nothing.
// Then come the other bytes of the term. If the flag is set, the term is once in
// the body of one unit, and the unit's distance from base follows. Otherwise
// there follow the number of postings, the number of bytes that they take, and
// the postings in groups of 64, the last one shorter. A group is
//
//	header    1 byte: twice the width, plus 1 if there are exceptions
//	first     distance of its first unit from the last one before, less 1;
//	          in a list's first group the distance from base
//	gaps      the other units: distance from the one before, less 1,
//	          width bits each, lowest bits first, filled up to a byte
//	exceptions, if any: postings other than once in the body
//	          1 byte, how many
//	          which: a byte each, or a bitmap of the group if that is not longer
//	          frequencies
//
// A frequency is a byte, 32 times head plus body, if head is at most 6 and body
// at most 31; otherwise the byte 224 and both as numbers. A vector is the lengths
// of head and body as numbers, then its terms in byte order, each with the first
// byte and the rest as in an entry; without the flag a frequency follows, with it
// the term is once in the body.
//
// # Guarantees
//
// Bytes that the package cannot have written give an error that is [ErrCorrupt],
// never a panic, and never take more memory than 600 times their own. A block
// whose checksum holds may still be a lie that somebody wrote: only CheckSegment
// and the records tell.
package textindex
