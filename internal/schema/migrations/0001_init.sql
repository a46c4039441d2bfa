-- Records: what people and agents told the store. The digest covers these tables.

CREATE TABLE projects (
	name        TEXT NOT NULL PRIMARY KEY,
	aliases     TEXT NOT NULL CHECK (json_valid(aliases)),
	description TEXT NOT NULL,
	created_at  TEXT NOT NULL,
	updated_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Names and aliases share one namespace, compared case-folded.
CREATE TABLE project_names (
	key     TEXT NOT NULL PRIMARY KEY,
	project TEXT NOT NULL REFERENCES projects (name)
) STRICT, WITHOUT ROWID;

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

-- One live statement for each normalised content, type and project: what makes Remember idempotent.
CREATE UNIQUE INDEX memories_live ON memories (content_key) WHERE status IN ('candidate', 'active');
CREATE INDEX memories_type ON memories (status, type, id);
CREATE INDEX memories_project ON memories (project, status, id);

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

CREATE UNIQUE INDEX documents_path ON documents (coalesce(project, ''), origin, path);
CREATE INDEX documents_sha256 ON documents (sha256);

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

-- A client that captures the same turn twice stores it once.
CREATE UNIQUE INDEX interactions_turn ON interactions (client, session, turn) WHERE turn <> '';

-- What was forgotten, without a word of it.
CREATE TABLE tombstones (
	id           TEXT NOT NULL PRIMARY KEY,
	entity       TEXT NOT NULL,
	reason       TEXT NOT NULL,
	forgotten_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE INDEX journal_entity ON journal (entity_id, seq);
CREATE INDEX journal_time ON journal (time, seq);

-- Derived: everything below can be rebuilt from the records above and is not part of the digest.

CREATE TABLE meta (
	key   TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each thing that search can find, with what its filters need.
CREATE TABLE units (
	unit        INTEGER PRIMARY KEY,
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
	made_from   INTEGER NOT NULL -- hash of what full text and vector were made from
) STRICT;

CREATE INDEX units_document ON units (document) WHERE document IS NOT NULL;

-- Terms are analysed in Go and stored separated by blanks, so that both sides
-- of a match agree; the tokenizer only has to split them again.
CREATE VIRTUAL TABLE fts USING fts5 (head, body, tokenize = "ascii tokenchars '+#_'");
CREATE VIRTUAL TABLE fts_terms USING fts5vocab (fts, row);

CREATE TABLE spaces (
	space       INTEGER PRIMARY KEY,
	name        TEXT NOT NULL,
	dimensions  INTEGER NOT NULL,
	fingerprint TEXT NOT NULL,
	active      INTEGER NOT NULL CHECK (active IN (0, 1)),
	UNIQUE (name, dimensions, fingerprint)
) STRICT;

CREATE UNIQUE INDEX spaces_active ON spaces (active) WHERE active = 1;

CREATE TABLE vectors (
	id     INTEGER PRIMARY KEY,
	space  INTEGER NOT NULL REFERENCES spaces (space),
	unit   INTEGER NOT NULL,
	vector BLOB NOT NULL,
	UNIQUE (space, unit)
) STRICT;

-- Units that the embedder of the space has no vector for. They are noted, so that
-- a vector that is missing for another reason is seen as a fault.
CREATE TABLE vectorless (
	space INTEGER NOT NULL REFERENCES spaces (space),
	unit  INTEGER NOT NULL,
	PRIMARY KEY (space, unit)
) STRICT, WITHOUT ROWID;

-- Units whose text still waits for a vector of the active space.
CREATE TABLE embedding_queue (
	unit INTEGER PRIMARY KEY
) STRICT;
