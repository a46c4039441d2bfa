-- index documents_path on documents
CREATE UNIQUE INDEX documents_path ON documents (coalesce(project, ''), origin, path);
-- index documents_sha256 on documents
CREATE INDEX documents_sha256 ON documents (sha256);
-- index interactions_turn on interactions
CREATE UNIQUE INDEX interactions_turn ON interactions (client, session, turn) WHERE turn <> '';
-- index journal_entity on journal
CREATE INDEX journal_entity ON journal (entity_id, seq);
-- index journal_time on journal
CREATE INDEX journal_time ON journal (time, seq);
-- index memories_live on memories
CREATE UNIQUE INDEX memories_live ON memories (content_key) WHERE status IN ('candidate', 'active');
-- index memories_project on memories
CREATE INDEX memories_project ON memories (project, status, id);
-- index memories_type on memories
CREATE INDEX memories_type ON memories (status, type, id);
-- index spaces_active on spaces
CREATE UNIQUE INDEX spaces_active ON spaces (active) WHERE active = 1;
-- index sqlite_autoindex_chunks_1 on chunks
-- index sqlite_autoindex_chunks_2 on chunks
-- index sqlite_autoindex_documents_1 on documents
-- index sqlite_autoindex_drills_1 on drills
-- index sqlite_autoindex_interactions_1 on interactions
-- index sqlite_autoindex_memories_1 on memories
-- index sqlite_autoindex_spaces_1 on spaces
-- index sqlite_autoindex_state_1 on state
-- index sqlite_autoindex_state_2 on state
-- index sqlite_autoindex_units_1 on units
-- index sqlite_autoindex_vectors_1 on vectors
-- index units_document on units
CREATE INDEX units_document ON units (document) WHERE document IS NOT NULL;
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
-- table fts on fts
CREATE VIRTUAL TABLE fts USING fts5 (head, body, tokenize = "ascii tokenchars '+#_'");
-- table fts_config on fts_config
CREATE TABLE 'fts_config'(k PRIMARY KEY, v) WITHOUT ROWID;
-- table fts_content on fts_content
CREATE TABLE 'fts_content'(id INTEGER PRIMARY KEY, c0, c1);
-- table fts_data on fts_data
CREATE TABLE 'fts_data'(id INTEGER PRIMARY KEY, block BLOB);
-- table fts_docsize on fts_docsize
CREATE TABLE 'fts_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
-- table fts_idx on fts_idx
CREATE TABLE 'fts_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
-- table fts_terms on fts_terms
CREATE VIRTUAL TABLE fts_terms USING fts5vocab (fts, row);
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
-- table units on units
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
