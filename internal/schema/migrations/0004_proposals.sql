-- What was proposed from conversations does not come back, whatever became of it: the
-- key of each proposal is in its memory's metadata, and where that was forgotten, in
-- the tombstone that the journal has. Both are looked up for each new one.

CREATE INDEX memories_proposal ON memories (metadata ->> '$.proposal')
WHERE metadata ->> '$.proposal' IS NOT NULL;

CREATE INDEX journal_proposal ON journal (after ->> '$.proposal')
WHERE entity = 'tombstone' AND after ->> '$.proposal' IS NOT NULL;
