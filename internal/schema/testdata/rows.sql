-- Records for the pinned digest: one of each kind with every column set, and one
-- with as much NULL or empty as may be.
INSERT INTO projects (name, aliases, description, created_at, updated_at) VALUES
	('harbour', '["hbr","port"]', 'the quay', '2026-01-01T00:00:00.000001Z', '2026-01-02T00:00:00.000000Z'),
	('mill', '[]', '', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO project_names (key, project) VALUES ('harbour', 'harbour'), ('hbr', 'harbour'), ('port', 'harbour'), ('mill', 'mill');
INSERT INTO memories (content_key, id, type, status, content, project, confidence, tags, metadata, actor, client, session, speaker, source,
	valid_from, valid_until, reinforced, reinforced_at, supersedes, superseded_by, reason, created_at, updated_at) VALUES
	('k1', 'm1', 'knowledge', 'superseded', 'The quay is 200 m long – 20 °C', 'harbour', 0.75, '["a","b"]', '{"k":"v"}', 'act', 'cli', 'ses', 'spk', 'src',
		'2026-01-01T00:00:00.000000Z', '2026-02-01T00:00:00.000000Z', 3, '2026-01-03T00:00:00.000000Z', 'm0', 'm2', 'why', '2026-01-01T00:00:00.000000Z', '2026-01-04T00:00:00.000000Z'),
	('k2', 'm2', 'episodic', 'active', 'x', NULL, 1, '[]', '{}', '', '', '', '', '',
		NULL, NULL, 0, NULL, NULL, NULL, '', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO state (id, project, category, key, value, source, actor, created_at, updated_at) VALUES
	('s1', 'harbour', 'general', 'depth', '12 m', 'chart', 'act', '2026-01-01T00:00:00.000000Z', '2026-01-02T00:00:00.000000Z');
INSERT INTO documents (id, project, origin, path, title, summary, media_type, sha256, size, tags, metadata, session, speaker, time, kept, actor, created_at, updated_at) VALUES
	('d1', 'harbour', '/notes', 'a.md', 'A', 'sum', 'text/markdown', 'abc', 42, '["t"]', '{"k":"v"}', 'ses', 'spk', '2025-01-01T00:00:00.000000Z', 1, 'act', '2026-01-01T00:00:00.000000Z', '2026-01-02T00:00:00.000000Z'),
	('d2', NULL, '', 'b.txt', 'b', '', 'text/plain', 'def', 0, '[]', '{}', '', '', NULL, 0, '', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
INSERT INTO chunks (id, document, ordinal, heading, start, "end", text) VALUES
	('d1.0', 'd1', 0, '["A","B"]', 3, 9, 'text'),
	('d1.1', 'd1', 1, '[]', 10, 12, 'xy');
INSERT INTO interactions (id, project, session, turn, client, actor, prompt, response, metadata, created_at) VALUES
	('i1', 'harbour', 'ses', 't1', 'cli', 'act', 'p', 'r', '{"k":"v"}', '2026-01-01T00:00:00.000000Z');
INSERT INTO tombstones (id, entity, reason, forgotten_at) VALUES ('m9', 'memory', 'asked to', '2026-01-05T00:00:00.000000Z');
INSERT INTO journal (seq, time, actor, op, entity, entity_id, before, after) VALUES
	(1, '2026-01-01T00:00:00.000000Z', 'act', 'project', 'project', 'harbour', NULL, '{"name":"harbour"}'),
	(7, '2026-01-02T00:00:00.000000Z', 'act', 'unset', 'state', 's0', '{"id":"s0"}', NULL);
