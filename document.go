package atocore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore/internal/index"
	"github.com/atocore/atocore/internal/markdown"
	"github.com/atocore/atocore/internal/sqlite"
)

// A Document is an ingested source text. Its pieces, the chunks, are what
// search finds.
type Document struct {
	ID      string `json:"id"`
	Project string `json:"project"` // a project's name; empty is global

	// Origin and Path identify the document within its project: the folder it
	// came from and its slash-separated path in there.
	Origin string `json:"origin,omitempty"`
	Path   string `json:"path"`

	Title     string            `json:"title"` // of the front matter, else the first heading or title line, else the file's name
	Summary   string            `json:"summary,omitempty"`
	MediaType string            `json:"media_type"` // MediaMarkdown or MediaText
	SHA256    string            `json:"sha256"`     // of the source, hexadecimal
	Size      int64             `json:"size"`       // of the source, in bytes
	Tags      []string          `json:"tags,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Session   string            `json:"session,omitempty"` // the conversation it belongs to
	Speaker   string            `json:"speaker,omitempty"` // who says it; searched with the text
	Time      time.Time         `json:"time,omitzero"`     // the document's own date
	Kept      bool              `json:"kept"`              // whether the original is under files/
	Actor     string            `json:"actor,omitempty"`
	Chunks    int               `json:"chunks"` // how many
	CreatedAt time.Time         `json:"created_at"`
	UpdatedAt time.Time         `json:"updated_at"`
}

// The media types of documents.
const (
	MediaMarkdown = "text/markdown"
	MediaText     = "text/plain"
)

// A Chunk is one piece of a document, cut along its headings.
type Chunk struct {
	ID       string   `json:"id"` // the document's ID, a dot, the ordinal
	Document string   `json:"document"`
	Ordinal  int      `json:"ordinal"` // from 0
	Heading  []string `json:"heading,omitempty"`
	Start    int      `json:"start"` // byte range in the source, half open
	End      int      `json:"end"`
	Text     string   `json:"text"` // exactly those bytes
}

// MaxDocumentBytes bounds a document's source.
const MaxDocumentBytes = 16 << 20

// A DocumentFilter selects documents. The zero value selects all.
type DocumentFilter struct {
	Project string // a project's name or alias; empty is every project and the global ones
	Origin  string // empty is every origin
}

// documentRecord is a document with its chunks, as the journal keeps it.
type documentRecord struct {
	Document
	Pieces []Chunk `json:"pieces,omitempty"`

	// heirs are, in a search of the past, the present chunks that have the
	// text of a piece: the piece's index by the chunk's ID.
	heirs map[string]int
}

func (d *documentRecord) unit(ch *Chunk) unit {
	head := joinText(d.Speaker, d.Title, strings.Join(ch.Heading, "\n"), strings.Join(d.Tags, " "))
	var thread int64
	if d.Session != "" {
		thread = index.Thread(d.Project, d.Session)
	}
	return unit{
		kind: KindChunk, id: ch.ID, document: d.ID, project: d.Project, typ: d.MediaType, status: Active, tags: d.Tags,
		time: firstTime(d.Time, d.UpdatedAt), confidence: 1, siblings: max(1, d.Chunks),
		thread: thread, place: inThread(d.CreatedAt, ch.Ordinal),
		head: head, date: dateWords(d.Time), body: d.searchText(ch), embed: d.embedText(ch),
	}
}

// searchText is a chunk's text as it is searched: the first one speaks for
// what the document says of itself (summary, front matter) as well.
func (d *documentRecord) searchText(ch *Chunk) string {
	if ch.Ordinal > 0 {
		return ch.Text
	}
	parts := []string{d.Summary}
	for _, k := range slices.Sorted(maps.Keys(d.Metadata)) {
		parts = append(parts, d.Metadata[k])
	}
	return joinText(append(parts, ch.Text)...)
}

func (d *documentRecord) embedText(ch *Chunk) string {
	return joinText(d.Title, strings.Join(ch.Heading, "\n"), speak(d.Speaker, d.searchText(ch)))
}

func (d *documentRecord) embedTexts() []string {
	texts := make([]string, len(d.Pieces))
	for i := range d.Pieces {
		texts[i] = d.embedText(&d.Pieces[i])
	}
	return texts
}

// parse fills in what the source says of itself, and the chunks.
func (d *documentRecord) parse(source []byte) error {
	sum := sha256.Sum256(source)
	d.SHA256, d.Size = hex.EncodeToString(sum[:]), int64(len(source))
	var parsed markdown.Document
	switch d.MediaType {
	case MediaMarkdown:
		parsed = markdown.Parse(source, markdown.Options{})
	case MediaText:
		parsed = markdown.ParseText(source, markdown.Options{})
		parsed.Title = titleLine(source)
	default:
		return invalid("media_type", fmt.Sprintf("%q is not known", d.MediaType), "use "+MediaMarkdown+" or "+MediaText)
	}
	if d.Title == "" {
		d.Title = oneLine(parsed.Title)
	}
	if d.Title == "" {
		base := path.Base(d.Path)
		d.Title = strings.TrimSuffix(base, path.Ext(base))
	}
	if d.Summary == "" {
		d.Summary = truncate(parsed.Summary, maxValueBytes)
	}
	if d.Time.IsZero() {
		d.Time = frontMatterTime(parsed.FrontMatter)
	}
	for _, t := range parsed.Tags {
		if t = oneLine(t); t != "" && len(d.Tags) < maxTags {
			d.Tags = append(d.Tags, t)
		}
	}
	d.Tags = cleanTags(d.Tags)
	d.addFrontMatter(parsed.FrontMatter)
	d.Pieces = nil
	for i, ch := range parsed.Chunks {
		heading := make([]string, len(ch.Heading))
		for j, h := range ch.Heading {
			heading[j] = oneLine(h)
		}
		d.Pieces = append(d.Pieces, Chunk{Ordinal: i, Heading: heading, Start: ch.Start, End: ch.End, Text: ch.Text})
	}
	if text := bytes.TrimSpace(source); len(d.Pieces) == 0 && len(text) > 0 {
		// Front matter alone: the document has to be found by it.
		start := bytes.Index(source, text)
		d.Pieces = []Chunk{{Start: start, End: start + len(text), Text: string(text)}}
	}
	d.Document.Chunks = len(d.Pieces)
	return nil
}

// titleLine is the first line of a plain text, where it stands alone and is
// short, as titles do; else "".
func titleLine(source []byte) string {
	const longest = 120
	text := strings.TrimLeft(strings.TrimPrefix(string(source[:min(len(source), 1024)]), "\ufeff"), "\r\n")
	line, rest, found := strings.Cut(text, "\n")
	next, _, _ := strings.Cut(rest, "\n")
	if !found || len(line) > longest || strings.TrimSpace(next) != "" || len(strings.TrimSpace(rest)) == 0 {
		return ""
	}
	return line
}

// frontMatterUsed are the keys that have fields of their own.
var frontMatterUsed = []string{"title", "summary", "description", "tags", "keywords", "date"}

// addFrontMatter keeps the words of the front matter (categories, aliases,
// status, …) as metadata, where a given value has not been set.
func (d *Document) addFrontMatter(fm map[string]any) {
	meta := maps.Clone(d.Metadata)
	for _, k := range slices.Sorted(maps.Keys(fm)) {
		text := truncate(strings.Join(words(fm[k]), ", "), maxValueBytes)
		key := oneLine(k)
		if _, given := meta[key]; given || text == "" || key == "" || len(meta) >= maxMetadata || slices.Contains(frontMatterUsed, key) {
			continue
		}
		if meta == nil {
			meta = map[string]string{}
		}
		meta[key] = text
	}
	d.Metadata = meta
}

// words are the texts in a front matter value, in a fixed order; numbers,
// dates and switches are not for searching.
func words(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		if s := oneLine(v); s != "" {
			out = append(out, s)
		}
	case []any:
		for _, e := range v {
			out = append(out, words(e)...)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, words(v[k])...)
		}
	}
	return out
}

// frontMatterTime is the date that a page's author gave it.
func frontMatterTime(fm map[string]any) time.Time {
	for _, key := range []string{"date", "time", "created", "publishDate", "lastmod", "updated"} {
		switch v := fm[key].(type) {
		case time.Time:
			if checkTime("", v) == nil {
				return storedTime(v)
			}
		case string:
			for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
				if t, err := time.Parse(layout, v); err == nil {
					return storedTime(t)
				}
			}
		}
	}
	return time.Time{}
}

// oneLine folds white space and drops what checkName would refuse.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || breaksLine(r) }), " ")
	return truncate(strings.ToValidUTF8(s, ""), maxNameBytes)
}

// truncate cuts s to at most n bytes at the start of a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}

func (d *Document) validate() error {
	if d.Path == "." || !fs.ValidPath(d.Path) {
		return invalid("path", fmt.Sprintf("%q is not a clean relative path", d.Path), "use slashes, and neither a leading one nor . or ..")
	}
	if !d.Time.IsZero() {
		if err := checkTime("time", d.Time); err != nil {
			return err
		}
	}
	return firstError(
		checkName("path", d.Path),
		checkName("origin", d.Origin),
		checkName("title", d.Title),
		checkName("session", d.Session),
		checkName("speaker", d.Speaker),
		checkOptional("summary", d.Summary, maxValueBytes, ""),
		checkTags("tags", d.Tags),
		checkMetadata("metadata", d.Metadata),
	)
}

// AddDocument stores a text that is at hand as a document, in place of the one
// with the same project, origin and path, whose ID it keeps. An empty
// MediaType is Markdown. Title, Summary, Tags and Time are taken from the text
// where they are not given. What the store knows better (ID, SHA256, Size,
// Chunks, times of record) is ignored. A text that is there already, unchanged,
// writes nothing.
func (s *Store) AddDocument(ctx context.Context, d Document, text string) (Document, error) {
	if d.MediaType == "" {
		d.MediaType = MediaMarkdown
	}
	if err := firstError(d.validate(), checkText("text", text, MaxDocumentBytes, "split it")); err != nil {
		return Document{}, fmt.Errorf("add document: %w", err)
	}
	d.Kept = false
	d.Tags = slices.Clone(d.Tags) // parse adds to them
	rec := documentRecord{Document: d}
	if err := rec.parse([]byte(text)); err != nil {
		return Document{}, fmt.Errorf("add document: %w", err)
	}
	rec.Time = storedTime(rec.Time)
	var replaced []string // an original that may no longer be needed
	err := s.write(ctx, rec.embedTexts(), func(c *change) error {
		if rec.Project != "" {
			p, err := projectNamed(c.tx, rec.Project)
			if err != nil {
				return err
			}
			rec.Project = p
		}
		old, found, err := documentByPath(c.tx, rec.Project, rec.Origin, rec.Path)
		if err != nil {
			return err
		}
		if !found {
			return c.putDocument("ingest", nil, &rec)
		}
		// The original that Ingest kept stays with the source it is of.
		rec.Kept = old.Kept && old.SHA256 == rec.SHA256
		if sameSource(&old, &rec.Document) {
			rec.Document = old
			return nil
		}
		if old.Kept && !rec.Kept {
			replaced = []string{old.SHA256}
		}
		return c.putDocument("ingest", &old, &rec)
	})
	if err != nil {
		return Document{}, fmt.Errorf("add document: %w", err)
	}
	s.sweepReplaced(ctx, replaced)
	return rec.Document, nil
}

// sameSource reports whether storing next over old would change nothing.
func sameSource(old, next *Document) bool {
	return old.SHA256 == next.SHA256 && old.MediaType == next.MediaType && old.Title == next.Title &&
		old.Summary == next.Summary && old.Session == next.Session && old.Speaker == next.Speaker &&
		old.Time.Equal(next.Time) && old.Kept == next.Kept && old.Chunks == next.Chunks &&
		jsonText(old.Tags, "[]") == jsonText(next.Tags, "[]") && jsonText(old.Metadata, "{}") == jsonText(next.Metadata, "{}")
}

// putDocument writes the document, its chunks, their index and the journal.
// The document keeps the ID of the one it replaces.
func (c *change) putDocument(op string, before *Document, after *documentRecord) error {
	after.UpdatedAt, after.Actor = c.now, c.actor
	if before != nil {
		after.ID, after.CreatedAt = before.ID, before.CreatedAt
	} else {
		after.ID, after.CreatedAt = c.s.newID(), c.now
	}
	for i := range after.Pieces {
		ch := &after.Pieces[i]
		ch.Document = after.ID
		ch.ID = after.ID + "." + strconv.Itoa(ch.Ordinal)
	}
	if err := c.writeDocument(after); err != nil {
		return err
	}
	return c.journal(op, entityDocument, after.ID, before, after)
}

// writeDocument writes the document's row and chunks in place of what is there,
// and their index. Chunks that are as they were keep their vectors.
func (c *change) writeDocument(d *documentRecord) error {
	if err := insertDocument(c.tx, &d.Document); err != nil {
		return err
	}
	var gone []string
	for r, err := range c.tx.Query(`SELECT id FROM chunks WHERE document = ? AND ordinal >= ? ORDER BY ordinal`, d.ID, len(d.Pieces)) {
		if err != nil {
			return err
		}
		gone = append(gone, r.Text(0))
	}
	for _, id := range gone {
		if err := c.unindex(id); err != nil {
			return err
		}
		if _, err := c.tx.Exec(`DELETE FROM chunks WHERE id = ?`, id); err != nil {
			return err
		}
	}
	for i := range d.Pieces {
		ch := &d.Pieces[i]
		if _, err := c.tx.Exec(`INSERT INTO chunks (`+chunkColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET
				heading = excluded.heading,
				start = excluded.start,
				"end" = excluded."end",
				text = excluded.text`,
			ch.ID, ch.Document, ch.Ordinal, jsonText(ch.Heading, "[]"), ch.Start, ch.End, ch.Text); err != nil {
			return err
		}
		if err := c.index(d.unit(ch)); err != nil {
			return err
		}
	}
	return nil
}

// Document returns the document with the ID, or ErrNotFound.
func (s *Store) Document(ctx context.Context, id string) (Document, error) {
	var d Document
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		var found bool
		var err error
		if d, found, err = documentByID(tx, id); err == nil && !found {
			err = missing(tx, "document", id)
		}
		return err
	})
	if err != nil {
		return Document{}, fmt.Errorf("read document: %w", err)
	}
	return d, nil
}

// Chunks returns the chunks of a document in their order, or ErrNotFound.
func (s *Store) Chunks(ctx context.Context, id string) ([]Chunk, error) {
	var out []Chunk
	err := s.read(ctx, func(tx *sqlite.Tx) error {
		_, found, err := documentByID(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return missing(tx, "document", id)
		}
		out, err = chunksOf(tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read chunks: %w", err)
	}
	return out, nil
}

// Documents lists the documents that f selects by project, origin and path.
func (s *Store) Documents(ctx context.Context, f DocumentFilter) iter.Seq2[Document, error] {
	return listing(ctx, s, "list documents", func(tx *sqlite.Tx, yield func(Document) bool) error {
		project, err := projectFilter(tx, f.Project)
		if err != nil {
			return err
		}
		for r, err := range tx.Query(`SELECT `+documentColumns+` FROM documents
			WHERE (? = '' OR project = ?) AND (? = '' OR origin = ?)
			ORDER BY coalesce(project, ''), origin, path`, project, project, f.Origin, f.Origin) {
			if err != nil {
				return err
			}
			if !yield(scanDocument(r)) {
				return nil
			}
		}
		return nil
	})
}

// Original opens the source of a document that was ingested with
// KeepOriginals. The caller closes it. It fails with ErrNotFound where the
// original was not kept.
func (s *Store) Original(ctx context.Context, id string) (io.ReadCloser, error) {
	d, err := s.Document(ctx, id)
	if err != nil {
		return nil, err
	}
	if !d.Kept {
		return nil, fmt.Errorf("open original: %w", &NotFoundError{Kind: "original of document", ID: id, Hint: "it was ingested without keeping originals"})
	}
	f, err := os.Open(s.originalPath(d.SHA256))
	if err != nil {
		return nil, fmt.Errorf("open original: %w", err)
	}
	return f, nil
}

const documentColumns = `id, project, origin, path, title, summary, media_type, sha256, size, tags, metadata,
	session, speaker, time, kept, actor, created_at, updated_at,
	(SELECT count(*) FROM chunks WHERE document = documents.id)`

func insertDocument(tx *sqlite.Tx, d *Document) error {
	_, err := tx.Exec(`INSERT INTO documents (id, project, origin, path, title, summary, media_type, sha256, size, tags, metadata,
			session, speaker, time, kept, actor, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			project = excluded.project,
			origin = excluded.origin,
			path = excluded.path,
			title = excluded.title,
			summary = excluded.summary,
			media_type = excluded.media_type,
			sha256 = excluded.sha256,
			size = excluded.size,
			tags = excluded.tags,
			metadata = excluded.metadata,
			session = excluded.session,
			speaker = excluded.speaker,
			time = excluded.time,
			kept = excluded.kept,
			actor = excluded.actor,
			created_at = excluded.created_at,
			updated_at = excluded.updated_at`,
		d.ID, nullString(d.Project), d.Origin, d.Path, d.Title, d.Summary, d.MediaType, d.SHA256, d.Size,
		jsonText(d.Tags, "[]"), jsonText(d.Metadata, "{}"), d.Session, d.Speaker, nullTime(d.Time), d.Kept, d.Actor,
		timeText(d.CreatedAt), timeText(d.UpdatedAt))
	return err
}

func scanDocument(r sqlite.Row) Document {
	return Document{
		ID:        r.Text(0),
		Project:   r.Text(1),
		Origin:    r.Text(2),
		Path:      r.Text(3),
		Title:     r.Text(4),
		Summary:   r.Text(5),
		MediaType: r.Text(6),
		SHA256:    r.Text(7),
		Size:      r.Int64(8),
		Tags:      parseTags(r.Text(9)),
		Metadata:  parseMetadata(r.Text(10)),
		Session:   r.Text(11),
		Speaker:   r.Text(12),
		Time:      parseTime(r.Text(13)),
		Kept:      r.Bool(14),
		Actor:     r.Text(15),
		CreatedAt: parseTime(r.Text(16)),
		UpdatedAt: parseTime(r.Text(17)),
		Chunks:    int(r.Int64(18)),
	}
}

func documentByID(tx *sqlite.Tx, id string) (d Document, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { d = scanDocument(r) },
		`SELECT `+documentColumns+` FROM documents WHERE id = ?`, id)
	return d, found, err
}

func documentByPath(tx *sqlite.Tx, project, origin, name string) (d Document, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { d = scanDocument(r) },
		`SELECT `+documentColumns+` FROM documents WHERE coalesce(project, '') = ? AND origin = ? AND path = ?`, project, origin, name)
	return d, found, err
}

const chunkColumns = `id, document, ordinal, heading, start, "end", text`

func scanChunk(r sqlite.Row) Chunk {
	return Chunk{
		ID:       r.Text(0),
		Document: r.Text(1),
		Ordinal:  int(r.Int64(2)),
		Heading:  parseTags(r.Text(3)),
		Start:    int(r.Int64(4)),
		End:      int(r.Int64(5)),
		Text:     r.Text(6),
	}
}

func chunksOf(tx *sqlite.Tx, document string) ([]Chunk, error) {
	var out []Chunk
	for r, err := range tx.Query(`SELECT `+chunkColumns+` FROM chunks WHERE document = ? ORDER BY ordinal`, document) {
		if err != nil {
			return nil, err
		}
		out = append(out, scanChunk(r))
	}
	return out, nil
}

func chunkByID(tx *sqlite.Tx, id string) (ch Chunk, found bool, err error) {
	found, err = tx.QueryRow(func(r sqlite.Row) { ch = scanChunk(r) },
		`SELECT `+chunkColumns+` FROM chunks WHERE id = ?`, id)
	return ch, found, err
}
