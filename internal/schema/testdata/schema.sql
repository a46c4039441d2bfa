-- index documents_path on documents
CREATE UNIQUE INDEX documents_path ON documents (coalesce(project, ''), origin, path);
-- index documents_sha256 on documents
CREATE INDEX documents_sha256 ON documents (sha256);
-- index interactions_turn on interactions
CREATE UNIQUE INDEX interactions_turn ON interactions (client, session, turn) WHERE turn <> '';
-- index journal_entity on journal
CREATE INDEX journal_entity ON journal (entity_id, seq);
-- index journal_proposal on journal
CREATE INDEX journal_proposal ON journal (after ->> '$.proposal')
WHERE entity = 'tombstone' AND after ->> '$.proposal' IS NOT NULL;
-- index journal_time on journal
CREATE INDEX journal_time ON journal (time, seq);
-- index memories_live on memories
CREATE UNIQUE INDEX memories_live ON memories (content_key) WHERE status IN ('candidate', 'active');
-- index memories_project on memories
CREATE INDEX memories_project ON memories (project, status, id);
-- index memories_proposal on memories
CREATE INDEX memories_proposal ON memories (metadata ->> '$.proposal')
WHERE metadata ->> '$.proposal' IS NOT NULL;
-- index memories_type on memories
CREATE INDEX memories_type ON memories (status, type, id);
-- index spaces_active on spaces
CREATE UNIQUE INDEX spaces_active ON spaces (active) WHERE active = 1;
-- index sqlite_autoindex_chunks_1 on chunks
-- index sqlite_autoindex_chunks_2 on chunks
-- index sqlite_autoindex_codes_1 on codes
-- index sqlite_autoindex_documents_1 on documents
-- index sqlite_autoindex_drills_1 on drills
-- index sqlite_autoindex_interactions_1 on interactions
-- index sqlite_autoindex_memories_1 on memories
-- index sqlite_autoindex_segment_blocks_1 on segment_blocks
-- index sqlite_autoindex_spaces_1 on spaces
-- index sqlite_autoindex_state_1 on state
-- index sqlite_autoindex_state_2 on state
-- index sqlite_autoindex_units_1 on units
-- index sqlite_autoindex_vectors_1 on vectors
-- table chunks on chunks
CREATE TABLE chunks (
	id       TEXT NOT NULL PRIMARY KEY,
	document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
	ordinal  INTEGER NOT NULL,
	heading  TEXT NOT NULL CHECK (json_valid(heading)),
	start    INTEGER NOT NULL,
	"end"    INTEGER NOT NULL,
	text     TEXT NOT NULL,
	UNIQUE (document, ordinal)
) STRICT;
-- table code_means on code_means
CREATE TABLE code_means (
	space   INTEGER PRIMARY KEY,
	vectors INTEGER NOT NULL, -- that the mean was taken of
	mean    BLOB NOT NULL
) STRICT;
-- table codes on codes
CREATE TABLE codes (
	space INTEGER NOT NULL,
	block INTEGER NOT NULL,
	data  BLOB NOT NULL,
	PRIMARY KEY (space, block)
) STRICT;
-- table documents on documents
CREATE TABLE documents (
	id         TEXT NOT NULL PRIMARY KEY,
	project    TEXT REFERENCES projects (name),
	origin     TEXT NOT NULL,
	path       TEXT NOT NULL,
	title      TEXT NOT NULL,
	summary    TEXT NOT NULL,
	media_type TEXT NOT NULL,
	sha256     TEXT NOT NULL,
	size       INTEGER NOT NULL,
	tags       TEXT NOT NULL CHECK (json_valid(tags)),
	metadata   TEXT NOT NULL CHECK (json_valid(metadata)),
	session    TEXT NOT NULL,
	speaker    TEXT NOT NULL,
	time       TEXT,
	kept       INTEGER NOT NULL CHECK (kept IN (0, 1)),
	actor      TEXT NOT NULL,
	created_at TEXT NOT NULL,
	updated_at TEXT NOT NULL
) STRICT;
-- table drills on drills
CREATE TABLE drills (
	id       TEXT NOT NULL PRIMARY KEY,
	began_at TEXT NOT NULL,
	ended_at TEXT NOT NULL,
	stamp    TEXT NOT NULL,
	in_place INTEGER NOT NULL CHECK (in_place IN (0, 1)),
	ok       INTEGER NOT NULL CHECK (ok IN (0, 1)),
	report   TEXT NOT NULL CHECK (json_valid(report))
) STRICT;
-- table embedding_queue on embedding_queue
CREATE TABLE embedding_queue (
	unit INTEGER PRIMARY KEY
) STRICT;
-- table interactions on interactions
CREATE TABLE interactions (
	id         TEXT NOT NULL PRIMARY KEY,
	project    TEXT REFERENCES projects (name),
	session    TEXT NOT NULL,
	turn       TEXT NOT NULL,
	client     TEXT NOT NULL,
	actor      TEXT NOT NULL,
	prompt     TEXT NOT NULL,
	response   TEXT NOT NULL,
	metadata   TEXT NOT NULL CHECK (json_valid(metadata)),
	created_at TEXT NOT NULL
) STRICT;
-- table journal on journal
CREATE TABLE journal (
	seq       INTEGER PRIMARY KEY AUTOINCREMENT,
	time      TEXT NOT NULL,
	actor     TEXT NOT NULL,
	op        TEXT NOT NULL,
	entity    TEXT NOT NULL,
	entity_id TEXT NOT NULL,
	before    TEXT CHECK (before IS NULL OR json_valid(before)),
	after     TEXT CHECK (after IS NULL OR json_valid(after))
) STRICT;
-- table memories on memories
CREATE TABLE memories (
	id            TEXT NOT NULL PRIMARY KEY,
	type          TEXT NOT NULL CHECK (type IN ('identity', 'preference', 'project', 'episodic', 'knowledge', 'adaptation')),
	status        TEXT NOT NULL CHECK (status IN ('candidate', 'active', 'superseded', 'invalid')),
	content       TEXT NOT NULL,
	content_key   TEXT NOT NULL,
	project       TEXT REFERENCES projects (name),
	confidence    REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
	tags          TEXT NOT NULL CHECK (json_valid(tags)),
	metadata      TEXT NOT NULL CHECK (json_valid(metadata)),
	actor         TEXT NOT NULL,
	client        TEXT NOT NULL,
	session       TEXT NOT NULL,
	speaker       TEXT NOT NULL,
	source        TEXT NOT NULL,
	valid_from    TEXT,
	valid_until   TEXT,
	reinforced    INTEGER NOT NULL,
	reinforced_at TEXT,
	supersedes    TEXT,
	superseded_by TEXT,
	reason        TEXT NOT NULL,
	created_at    TEXT NOT NULL,
	updated_at    TEXT NOT NULL
) STRICT;
-- table meta on meta
CREATE TABLE meta (
	key   TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- table probes on probes
CREATE TABLE probes (
	query      TEXT NOT NULL,
	project    TEXT NOT NULL DEFAULT '',
	created_at TEXT NOT NULL,
	PRIMARY KEY (query, project)
) STRICT, WITHOUT ROWID;
-- table project_names on project_names
CREATE TABLE project_names (
	key     TEXT NOT NULL PRIMARY KEY,
	project TEXT NOT NULL REFERENCES projects (name)
) STRICT, WITHOUT ROWID;
-- table projects on projects
CREATE TABLE projects (
	name        TEXT NOT NULL PRIMARY KEY,
	aliases     TEXT NOT NULL CHECK (json_valid(aliases)),
	description TEXT NOT NULL,
	created_at  TEXT NOT NULL,
	updated_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- table segment_blocks on segment_blocks
CREATE TABLE segment_blocks (
	id      INTEGER PRIMARY KEY,
	segment INTEGER NOT NULL REFERENCES segments (segment) ON DELETE CASCADE,
	first   TEXT NOT NULL,
	part    INTEGER NOT NULL,
	data    BLOB NOT NULL,
	UNIQUE (segment, first, part)
) STRICT;
-- table segments on segments
CREATE TABLE segments (
	segment INTEGER PRIMARY KEY AUTOINCREMENT,
	first   INTEGER NOT NULL,
	last    INTEGER NOT NULL,
	units   INTEGER NOT NULL, -- when it was written; some may have gone since
	bytes   INTEGER NOT NULL
) STRICT;
-- table spaces on spaces
CREATE TABLE spaces (
	space       INTEGER PRIMARY KEY,
	name        TEXT NOT NULL,
	dimensions  INTEGER NOT NULL,
	fingerprint TEXT NOT NULL,
	active      INTEGER NOT NULL CHECK (active IN (0, 1)),
	UNIQUE (name, dimensions, fingerprint)
) STRICT;
-- table sqlite_sequence on sqlite_sequence
CREATE TABLE sqlite_sequence(name,seq);
-- table state on state
CREATE TABLE state (
	id         TEXT NOT NULL PRIMARY KEY,
	project    TEXT NOT NULL REFERENCES projects (name),
	category   TEXT NOT NULL,
	key        TEXT NOT NULL,
	value      TEXT NOT NULL,
	source     TEXT NOT NULL,
	actor      TEXT NOT NULL,
	created_at TEXT NOT NULL,
	updated_at TEXT NOT NULL,
	UNIQUE (project, category, key)
) STRICT;
-- table tombstones on tombstones
CREATE TABLE tombstones (
	id           TEXT NOT NULL PRIMARY KEY,
	entity       TEXT NOT NULL,
	reason       TEXT NOT NULL,
	forgotten_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- table trusts on trusts
CREATE TABLE trusts (
	space     INTEGER PRIMARY KEY,
	vectors   INTEGER NOT NULL, -- that there were then
	questions INTEGER NOT NULL,
	trust     REAL NOT NULL
) STRICT;
-- table unit_blocks on unit_blocks
CREATE TABLE unit_blocks (
	block INTEGER PRIMARY KEY,
	data  BLOB NOT NULL
) STRICT;
-- table unit_log on unit_log
CREATE TABLE unit_log (
	seq  INTEGER PRIMARY KEY,
	unit INTEGER NOT NULL
) STRICT;
-- table unit_terms on unit_terms
CREATE TABLE unit_terms (
	unit  INTEGER PRIMARY KEY,
	terms BLOB NOT NULL
) STRICT;
-- table units on units
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
-- table vectorless on vectorless
CREATE TABLE vectorless (
	space INTEGER NOT NULL REFERENCES spaces (space),
	unit  INTEGER NOT NULL,
	PRIMARY KEY (space, unit)
) STRICT, WITHOUT ROWID;
-- table vectors on vectors
CREATE TABLE vectors (
	id     INTEGER PRIMARY KEY,
	space  INTEGER NOT NULL REFERENCES spaces (space),
	unit   INTEGER NOT NULL,
	vector BLOB NOT NULL,
	UNIQUE (space, unit)
) STRICT;
