-- The index of its own, in the place of FTS5: postings, what filters need, and the
-- codes of the vectors, each in packed blobs beside the log of what has changed since
-- they were packed. All of it is derived, and made anew when a store is opened that
-- has none.

DROP TABLE fts_terms;
DROP TABLE fts;
DROP INDEX units_document;
ALTER TABLE units RENAME TO units_before;

-- One row for each thing that search can find, with what its filters and its ranking
-- need. A text that changes is another unit: numbers are never used again, so that
-- what was packed of a number holds for as long as the number is there.
CREATE TABLE units (
	unit        INTEGER PRIMARY KEY AUTOINCREMENT,
	kind        TEXT NOT NULL CHECK (kind IN ('memory', 'state', 'chunk', 'interaction')),
	id          TEXT NOT NULL UNIQUE,
	document    TEXT,
	project     TEXT,
	type        TEXT NOT NULL,
	status      TEXT NOT NULL,
	tags        TEXT NOT NULL,
	time        TEXT NOT NULL,
	valid_from  TEXT,
	valid_until TEXT,
	made_from   INTEGER NOT NULL, -- hash of what its terms and its vector were made from
	confidence  REAL NOT NULL,
	thread      INTEGER NOT NULL, -- hash of the conversation that it is said in; 0 is none
	place       INTEGER NOT NULL, -- orders the units of a thread
	siblings    INTEGER NOT NULL, -- pieces of its document, itself included
	head_length INTEGER NOT NULL, -- in terms
	body_length INTEGER NOT NULL
) STRICT;

INSERT INTO units (unit, kind, id, document, project, type, status, tags, time, valid_from, valid_until, made_from,
	confidence, thread, place, siblings, head_length, body_length)
SELECT unit, kind, id, document, project, type, status, tags, time, valid_from, valid_until, made_from, 1, 0, 0, 1, 0, 0
FROM units_before
ORDER BY unit;

DROP TABLE units_before;

-- The units that were added, changed or removed, or given a vector, in this order;
-- unit 0 stands for a change of the segments. Programs that have the store open
-- follow it; what is packed into blobs is no longer needed here, but for the last
-- entry, after which numbers go on.
CREATE TABLE unit_log (
	seq  INTEGER PRIMARY KEY,
	unit INTEGER NOT NULL
) STRICT;

-- Columns of units, packed for each 1,024 numbers.
CREATE TABLE unit_blocks (
	block INTEGER PRIMARY KEY,
	data  BLOB NOT NULL
) STRICT;

-- The terms of units that are in no segment yet.
CREATE TABLE unit_terms (
	unit  INTEGER PRIMARY KEY,
	terms BLOB NOT NULL
) STRICT;

-- A segment holds the postings of the units from first to last.
CREATE TABLE segments (
	segment INTEGER PRIMARY KEY AUTOINCREMENT,
	first   INTEGER NOT NULL,
	last    INTEGER NOT NULL,
	units   INTEGER NOT NULL, -- when it was written; some may have gone since
	bytes   INTEGER NOT NULL
) STRICT;

CREATE TABLE segment_blocks (
	id      INTEGER PRIMARY KEY,
	segment INTEGER NOT NULL REFERENCES segments (segment) ON DELETE CASCADE,
	first   TEXT NOT NULL,
	part    INTEGER NOT NULL,
	data    BLOB NOT NULL,
	UNIQUE (segment, first, part)
) STRICT;

-- One bit for each dimension of a vector, packed for each 1,024 numbers, against
-- the mean of the space's vectors.
CREATE TABLE codes (
	space INTEGER NOT NULL,
	block INTEGER NOT NULL,
	data  BLOB NOT NULL,
	PRIMARY KEY (space, block)
) STRICT;

CREATE TABLE code_means (
	space   INTEGER PRIMARY KEY,
	vectors INTEGER NOT NULL, -- that the mean was taken of
	mean    BLOB NOT NULL
) STRICT;

-- How well the vectors of a space find texts of this store, as measured by questions made
-- of them.
CREATE TABLE trusts (
	space     INTEGER PRIMARY KEY,
	vectors   INTEGER NOT NULL, -- that there were then
	questions INTEGER NOT NULL,
	trust     REAL NOT NULL
) STRICT;

-- The terms have to be made anew.
DELETE FROM meta WHERE key = 'analysis';
