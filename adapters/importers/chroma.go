package importers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/foreign"
)

// The tables of a Chroma directory's database that say what is in it. Vectors are
// of another space than the store's and are not read.
var (
	chromaCollections = foreign.Table{Name: "collections", Need: []string{"id", "name"}, Want: []string{"database_id"}, Order: []string{"id"}}
	chromaDatabases   = foreign.Table{Name: "databases", Need: []string{"id", "name"}, Want: []string{"tenant_id"}, Order: []string{"id"}}
	chromaSegments    = foreign.Table{Name: "segments", Need: []string{"id", "scope", "collection"}, Order: []string{"id"}}
	chromaMaxSeq      = foreign.Table{Name: "max_seq_id", Need: []string{"segment_id", "seq_id"}, Order: []string{"segment_id"}}
	chromaEmbeddings  = foreign.Table{Name: "embeddings", Need: []string{"id", "segment_id", "embedding_id"}, Want: []string{"created_at"}, Order: []string{"id"}}
	chromaMetadata    = foreign.Table{Name: "embedding_metadata", Need: []string{"id", "key", "string_value", "int_value", "float_value"}, Want: []string{"bool_value"}, Where: []string{"id"}, Order: []string{"key"}}
	chromaLists       = foreign.Table{Name: "embedding_metadata_array", Need: []string{"id", "key", "string_value", "int_value", "float_value"}, Want: []string{"bool_value"}, Where: []string{"id"}, Order: []string{"rowid"}}
	chromaQueue       = foreign.Table{Name: "embeddings_queue", Need: []string{"seq_id", "operation", "topic", "id"}, Want: []string{"metadata", "created_at"}, Order: []string{"seq_id"}}
)

// Keys of metadata that are Chroma's own.
const (
	chromaText = "chroma:document"
	chromaURI  = "chroma:uri"
)

func openChroma(ctx context.Context, s *Source, path string, o *Options) error {
	db, err := s.database(ctx, path, o, chromaCollections, chromaSegments, chromaMaxSeq, chromaEmbeddings, chromaMetadata, chromaQueue)
	if err != nil {
		return err
	}
	s.records = view(ctx, db, func(v *foreign.View, yield yielder) error {
		c := chroma{s: s, v: v, yield: yield, collections: map[string]*chromaCollection{}, segments: map[string]*chromaCollection{}}
		return c.run()
	})
	return nil
}

type chroma struct {
	s           *Source
	v           *foreign.View
	yield       yielder
	collections map[string]*chromaCollection // by ID
	segments    map[string]*chromaCollection // by the ID of the segment that holds metadata
}

type chromaCollection struct {
	name    string
	applied int64                 // up to where the queue is in the tables
	queued  map[string][]chromaOp // beyond that, by the record's ID
	order   []string              // of the IDs in queued
}

// A chromaOp is a row of the queue.
type chromaOp struct {
	operation int64
	metadata  map[string]*string // nil takes the key away
	created   time.Time
	broken    string // why the row cannot be applied
}

// The operations of the queue.
const (
	chromaAdd = iota
	chromaUpdate
	chromaUpsert
	chromaDelete
)

func (c *chroma) run() error {
	if err := errors.Join(c.readCollections(), c.readSegments()); err != nil {
		return err
	}
	if err := c.readQueue(); err != nil {
		return err
	}
	for row, err := range c.v.Rows(chromaEmbeddings) {
		if err != nil {
			return err
		}
		in := c.segments[row.Text("segment_id")]
		if in == nil {
			continue // of a collection that was dropped
		}
		r := chromaRecord{id: row.Text("embedding_id"), alive: true, created: moment(row.Text("created_at"))}
		if err := c.readMetadata(row.Int("id"), &r); err != nil {
			return err
		}
		for _, op := range in.queued[r.id] {
			r.apply(op)
		}
		delete(in.queued, r.id)
		if err := c.put(in, &r); err != nil {
			return err
		}
	}
	// What only the queue knows.
	for _, id := range slices.Sorted(maps.Keys(c.collections)) {
		in := c.collections[id]
		for _, id := range in.order {
			ops, left := in.queued[id]
			if !left {
				continue
			}
			r := chromaRecord{id: id}
			for _, op := range ops {
				r.apply(op)
			}
			if err := c.put(in, &r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *chroma) readCollections() error {
	// Names are unique within a database of a tenant; nearly everybody has one.
	places := map[string]string{}
	if c.v.Has(chromaDatabases.Name) {
		for row, err := range c.v.Rows(chromaDatabases) {
			if err != nil {
				return err
			}
			if name, tenant := row.Text("name"), row.Text("tenant_id"); name != "default_database" || tenant != "default_tenant" && tenant != "" {
				places[row.Text("id")] = line(tenant) + "/" + line(name) + "/"
			}
		}
	}
	for row, err := range c.v.Rows(chromaCollections) {
		if err != nil {
			return err
		}
		c.collections[row.Text("id")] = &chromaCollection{
			name:   cut(places[row.Text("database_id")]+line(row.Text("name")), maxName/2),
			queued: map[string][]chromaOp{},
		}
	}
	return nil
}

func (c *chroma) readSegments() error {
	for row, err := range c.v.Rows(chromaSegments) {
		if err != nil {
			return err
		}
		if in := c.collections[row.Text("collection")]; in != nil && row.Text("scope") == "METADATA" {
			c.segments[row.Text("id")] = in
		}
	}
	for row, err := range c.v.Rows(chromaMaxSeq) {
		if err != nil {
			return err
		}
		if in := c.segments[row.Text("segment_id")]; in != nil {
			in.applied = row.Int("seq_id")
		}
	}
	return nil
}

// readQueue reads what Chroma has acknowledged and not yet put into its tables.
func (c *chroma) readQueue() error {
	for row, err := range c.v.Rows(chromaQueue) {
		if err != nil {
			return err
		}
		topic := row.Text("topic") // persistent://TENANT/DATABASE/COLLECTION
		in := c.collections[topic[strings.LastIndexByte(topic, '/')+1:]]
		if in == nil || row.Int("seq_id") <= in.applied {
			continue
		}
		id := row.Text("id")
		op := chromaOp{operation: row.Int("operation"), created: moment(row.Text("created_at"))}
		if column, size := row.TooLong(); column != "" {
			op.broken = tooLong(column, size)
		} else {
			op.decode(row.Text("metadata"))
		}
		if _, known := in.queued[id]; !known {
			in.order = append(in.order, id)
		}
		in.queued[id] = append(in.queued[id], op)
	}
	return nil
}

func (op *chromaOp) decode(metadata string) {
	if strings.TrimSpace(metadata) == "" {
		return
	}
	dec := json.NewDecoder(strings.NewReader(metadata))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		op.broken = "its metadata in the queue is not JSON: " + err.Error()
		return
	}
	op.metadata = map[string]*string{}
	for k, v := range m {
		if v == nil {
			op.metadata[k] = nil
			continue
		}
		text := jsonText(v)
		op.metadata[k] = &text
	}
}

// jsonText is a value of decoded JSON as metadata has it: words as they are, lists
// as JSON.
func jsonText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return numberText(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return listText(v)
}

// numberText writes a number as the tables' would be written: the same value is the
// same text, wherever it is read.
func numberText(n json.Number) string {
	if _, err := n.Int64(); err == nil {
		return n.String()
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return floatText(f)
}

func floatText(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// listText writes lists and what else is not one value as JSON.
func listText(v any) string {
	if list, ok := v.([]any); ok {
		for i, e := range list {
			if n, ok := e.(json.Number); ok {
				list[i] = json.Number(numberText(n))
			}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// A chromaRecord is a record of a collection.
type chromaRecord struct {
	id       string
	alive    bool
	metadata map[string]string
	created  time.Time
	broken   string // why it cannot be taken
}

// readMetadata reads the metadata, text and URI of the record with that row.
func (c *chroma) readMetadata(row int64, r *chromaRecord) error {
	r.metadata = map[string]string{}
	for m, err := range c.v.Rows(chromaMetadata, row) {
		if err != nil {
			return err
		}
		key := m.Text("key")
		if column, size := m.TooLong(); column != "" {
			if key == chromaText {
				r.broken = tooLong("text", size)
			} else {
				c.s.note("%s: metadata %q is left out: it has %d bytes", r.id, line(key), size)
			}
			continue
		}
		if v := chromaValue(m); v != nil {
			r.metadata[key] = jsonText(v)
		}
	}
	if !c.v.Has(chromaLists.Name) {
		return nil // an older version
	}
	lists := map[string][]any{}
	for m, err := range c.v.Rows(chromaLists, row) {
		if err != nil {
			return err
		}
		lists[m.Text("key")] = append(lists[m.Text("key")], chromaValue(m))
	}
	for key, list := range lists {
		r.metadata[key] = jsonText(list)
	}
	return nil
}

// chromaValue is the one value of a row of metadata.
func chromaValue(m foreign.Row) any {
	switch {
	case !m.IsNull("string_value"):
		return m.Text("string_value")
	case !m.IsNull("int_value"):
		return json.Number(strconv.FormatInt(m.Int("int_value"), 10))
	case !m.IsNull("float_value"):
		return json.Number(floatText(m.Float("float_value")))
	case !m.IsNull("bool_value"):
		return m.Int("bool_value") != 0
	}
	return nil
}

// apply does what Chroma will do with the row of the queue.
func (r *chromaRecord) apply(op chromaOp) {
	switch op.operation {
	case chromaDelete:
		*r = chromaRecord{id: r.id}
		return
	case chromaAdd:
		if r.alive {
			return // refused, since it is there
		}
	case chromaUpdate:
		if !r.alive {
			return // nothing to update
		}
	case chromaUpsert:
	default:
		return
	}
	if op.broken != "" {
		r.broken = op.broken
	}
	if !r.alive {
		r.alive, r.created, r.metadata = true, op.created, map[string]string{}
	}
	for k, v := range op.metadata {
		if v == nil {
			delete(r.metadata, k)
		} else {
			r.metadata[k] = *v
		}
	}
}

// put yields the record as a document, or says why not.
func (c *chroma) put(in *chromaCollection, r *chromaRecord) error {
	if !r.alive {
		return nil
	}
	key := c.s.key(in.name, r.id)
	text, has := r.metadata[chromaText]
	switch {
	case r.broken != "":
		c.s.skip(key, r.broken)
		return nil
	case !has:
		c.s.skip(key, "has no text, only a vector")
		return nil
	case strings.TrimSpace(text) == "":
		c.s.skip(key, "its text is empty")
		return nil
	}
	uri := r.metadata[chromaURI]
	delete(r.metadata, chromaText)
	delete(r.metadata, chromaURI)
	if _, taken := r.metadata["uri"]; uri != "" && !taken {
		r.metadata["uri"] = uri
	}
	title := line(r.metadata["title"])
	if title == "" {
		title = line(r.id)
	}
	d := atocore.Document{
		Origin: "chroma:" + in.name, Path: docPath(r.id), Title: title, MediaType: atocore.MediaText,
		Tags: c.s.tags(key, in.name), Metadata: c.s.metadata(key, r.metadata), CreatedAt: r.created,
	}
	return c.yield(atocore.Record{Document: &d, Text: c.s.text(key, text), Key: key})
}
