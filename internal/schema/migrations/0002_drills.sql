-- What drills proved and what they ask. Both say something about the store, not of
-- what is in it: they are outside the digest and the journal, so that a drill leaves
-- the digest as it was.

CREATE TABLE drills (
	id       TEXT NOT NULL PRIMARY KEY,
	began_at TEXT NOT NULL,
	ended_at TEXT NOT NULL,
	stamp    TEXT NOT NULL,
	in_place INTEGER NOT NULL CHECK (in_place IN (0, 1)),
	ok       INTEGER NOT NULL CHECK (ok IN (0, 1)),
	report   TEXT NOT NULL CHECK (json_valid(report))
) STRICT;

-- Golden queries: a drill asks them of the store and of what was restored.
CREATE TABLE probes (
	query      TEXT NOT NULL,
	project    TEXT NOT NULL DEFAULT '',
	created_at TEXT NOT NULL,
	PRIMARY KEY (query, project)
) STRICT, WITHOUT ROWID;
