// Package index is what a search reads: the units that can be found, with the
// columns by which they are filtered and ranked, the postings of their terms, and
// the codes of their vectors.
//
// # Where to start
//
// A [Writer] changes the index in a transaction of the store's: [Writer.Put] and
// [Writer.Remove] for the units of records, [Writer.Finish] at the end. An [Index]
// gives a [View] of any transaction; a view says what a [Filter] admits
// ([View.Admit]), where a term stands ([View.Term]), which units terms speak for
// ([View.Rank]) and which vectors are near ([View.Nearest]).
//
// # How it is stored
//
// Everything is derived from the records, lies in the same database, and changes in
// the same transaction. The row of a unit in units is the truth about its columns. A
// number is never used again: a text that changes is another unit. Each change is
// noted in unit_log, which views follow. What has gathered there is packed into
// blobs, of 1,024 numbers each, and terms into segments (see package textindex), of
// which few large ones are kept by merging. A view is made of the blobs and of what
// the log has after them, or of the view before.
//
// # Guarantees
//
// A view never changes, and agrees with its transaction, also where other processes
// write. A blob that is damaged or missing is noticed by its checksum, or by counting,
// and its content is read from the rows; postings that are damaged are an error, since
// only the records have them. A [Check] finds both.
package index
