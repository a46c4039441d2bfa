package importers_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

type chromaExpected struct {
	Collections []struct {
		Name    string
		Count   int
		Records []struct {
			ID       string
			Document *string
			Metadata map[string]any
			URI      *string
		}
	}
}

// A chromaDocument is what has to be the same in the program's own answer.
type chromaDocument struct {
	Text     string
	Metadata map[string]string
}

// want is the program's answer as documents by key, and the keys of what has no
// text.
func (e *chromaExpected) want() (documents map[string]chromaDocument, skipped map[string]string) {
	documents, skipped = map[string]chromaDocument{}, map[string]string{}
	for _, c := range e.Collections {
		for _, r := range c.Records {
			key := "chroma:" + c.Name + "/" + r.ID
			switch {
			case r.Document == nil:
				skipped[key] = "has no text, only a vector"
				continue
			case *r.Document == "":
				skipped[key] = "its text is empty"
				continue
			}
			d := chromaDocument{Text: *r.Document}
			for k, v := range r.Metadata {
				if d.Metadata == nil {
					d.Metadata = map[string]string{}
				}
				switch v := v.(type) {
				case string:
					d.Metadata[k] = v
				case bool:
					d.Metadata[k] = strconv.FormatBool(v)
				case float64:
					d.Metadata[k] = strconv.FormatFloat(v, 'f', -1, 64)
				default:
					b, _ := json.Marshal(v)
					d.Metadata[k] = string(b)
				}
			}
			if r.URI != nil {
				if d.Metadata == nil {
					d.Metadata = map[string]string{}
				}
				d.Metadata["uri"] = *r.URI
			}
			documents[key] = d
		}
	}
	return documents, skipped
}

func chromaGot(t *testing.T, dir, path string) (documents map[string]chromaDocument, skipped map[string]string) {
	t.Helper()
	all, left := records(t, open(t, "chroma", dir, path))
	documents, skipped = map[string]chromaDocument{}, map[string]string{}
	for _, r := range all {
		d := r.Document
		name := strings.TrimPrefix(d.Origin, "chroma:")
		if d.MediaType != atocore.MediaText || len(d.Tags) != 1 || d.Tags[0] != name || d.CreatedAt.IsZero() || d.Title == "" {
			t.Errorf("%s: document %+v", r.Key, d)
		}
		documents[r.Key] = chromaDocument{r.Text, d.Metadata}
	}
	for _, s := range left {
		skipped[s.Key] = s.Reason
	}
	return documents, skipped
}

func wantChroma(t *testing.T, e *chromaExpected, dir, path string) {
	t.Helper()
	wantDocuments, wantSkipped := e.want()
	documents, skipped := chromaGot(t, dir, path)
	if diff := cmp.Diff(wantDocuments, documents) + cmp.Diff(wantSkipped, skipped); diff != "" {
		t.Errorf("what Chroma says is there, and what was read (-want +got):\n%s", diff)
	}
}

func TestChroma(t *testing.T) {
	dir := fixture(t, "chroma")
	clean := expected[chromaExpected](t, dir, "expected.json")
	crash := expected[chromaExpected](t, dir, "expected-crash.json")
	if n := len(clean.Collections); n != 4 {
		t.Fatalf("%d collections are expected", n)
	}
	wantChroma(t, &clean, dir, filepath.Join(dir, "clean"))
	wantChroma(t, &clean, dir, filepath.Join(dir, "clean", "chroma.sqlite3"))
	wantChroma(t, &crash, dir, filepath.Join(dir, "crash"))
}

// TestChromaQueue has the tables lag behind the queue, which for the collection
// notes holds all that ever happened.
func TestChromaQueue(t *testing.T) {
	const segment = `(SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection WHERE c.name = 'notes' AND s.scope = 'METADATA')`
	empty := []string{
		`DELETE FROM embedding_metadata WHERE id IN (SELECT id FROM embeddings WHERE segment_id = ` + segment + `)`,
		`DELETE FROM embedding_metadata_array WHERE id IN (SELECT id FROM embeddings WHERE segment_id = ` + segment + `)`,
		`DELETE FROM embeddings WHERE segment_id = ` + segment,
	}
	for name, statements := range map[string][]string{
		"nothing is in the tables yet":           append(empty, `UPDATE max_seq_id SET seq_id = 0 WHERE segment_id = `+segment),
		"nothing is known of the segment":        append(empty, `DELETE FROM max_seq_id WHERE segment_id = `+segment),
		"the last operations come a second time": {`UPDATE max_seq_id SET seq_id = 70 WHERE segment_id = ` + segment},
		"the number is in bytes":                 append(empty, `UPDATE max_seq_id SET seq_id = x'0000000000000038' WHERE segment_id = `+segment),
	} {
		t.Run(name, func(t *testing.T) {
			dir := fixture(t, "chroma")
			edit(t, filepath.Join(dir, "clean", "chroma.sqlite3"), statements...)
			e := expected[chromaExpected](t, dir, "expected.json")
			wantChroma(t, &e, dir, filepath.Join(dir, "clean"))
		})
	}
}

// TestChromaOperations has the queue do what the fixture's does not.
func TestChromaOperations(t *testing.T) {
	dir := fixture(t, "chroma")
	path := filepath.Join(dir, "clean", "chroma.sqlite3")
	seq := 1000
	var statements []string
	queue := func(operation int, collection, id, metadata string) {
		seq++
		statements = append(statements, fmt.Sprintf(`INSERT INTO embeddings_queue (seq_id, operation, topic, id, metadata)
			SELECT %d, %d, 'persistent://default/default/' || id, '%s', %s FROM collections WHERE name = '%s'`, seq, operation, id, metadata, collection))
	}
	queue(0, "l2_small", "new", `'{"chroma:document":"New","n":1.0,"big":1e21,"list":[1.0,"a"],"o":{"x":1},"off":null}'`)
	queue(0, "l2_small", "r0", `'{"chroma:document":"is there already"}'`)
	queue(1, "l2_small", "nowhere", `'{"chroma:document":"nothing to update"}'`)
	queue(1, "l2_small", "r1", `'{"page":null,"soup":true}'`)
	queue(2, "l2_small", "r2", `'{"page":21}'`)
	queue(3, "l2_small", "r3", `NULL`)
	queue(3, "l2_small", "r5", `'{}'`)
	queue(2, "l2_small", "r5", `'{"chroma:document":"Anew"}'`)
	queue(1, "l2_small", "r6", `'not JSON'`)
	queue(9, "l2_small", "r7", `'{"chroma:document":"no such operation"}'`)
	queue(3, "l2_small", "r4", `NULL`)
	queue(1, "notes", "lists", `'{"tags":["only"],"ints":7}'`)
	statements = append(statements, `INSERT INTO embeddings_queue (seq_id, operation, topic, id, metadata) VALUES (2000, 0, 'persistent://default/default/dropped', 'x', '{"chroma:document":"of a collection that is gone"}')`)
	edit(t, path, statements...)
	e := expected[chromaExpected](t, dir, "expected.json")
	want, skipped := e.want()
	want["chroma:l2_small/new"] = chromaDocument{"New", map[string]string{"n": "1", "big": "1e+21", "list": `[1,"a"]`, "o": `{"x":1}`}}
	want["chroma:l2_small/r1"] = chromaDocument{"Recipe 1: soup", map[string]string{"soup": "true"}}
	want["chroma:l2_small/r2"] = chromaDocument{want["chroma:l2_small/r2"].Text, map[string]string{"page": "21"}}
	delete(want, "chroma:l2_small/r3")
	want["chroma:l2_small/r5"] = chromaDocument{Text: "Anew"}
	delete(want, "chroma:l2_small/r6")
	lists := want["chroma:notes/lists"]
	lists.Metadata["tags"], lists.Metadata["ints"] = `["only"]`, "7"
	got, gotSkipped := chromaGot(t, dir, path)
	if !strings.Contains(gotSkipped["chroma:l2_small/r6"], "not JSON") {
		t.Errorf("a row that is no JSON: skipped %q", gotSkipped["chroma:l2_small/r6"])
	}
	delete(gotSkipped, "chroma:l2_small/r6")
	if diff := cmp.Diff(want, got) + cmp.Diff(skipped, gotSkipped); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestChromaSuperJournal has the hot journal name a file that decides about the
// transaction: while it is there, it is undone.
func TestChromaSuperJournal(t *testing.T) {
	for _, there := range []bool{true, false} {
		dir := fixture(t, "chroma")
		super := filepath.Join(dir, "super")
		if there {
			if err := os.WriteFile(super, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		journal := filepath.Join(dir, "crash", "chroma.sqlite3-journal")
		b, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		var sum uint32
		for _, c := range []byte(super) {
			sum += uint32(int32(int8(c)))
		}
		b = append(binary.BigEndian.AppendUint32(b, 0), super...)
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(len(super))), sum)
		b = append(b, 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7)
		if err := os.WriteFile(journal, b, 0o600); err != nil {
			t.Fatal(err)
		}
		e := expected[chromaExpected](t, dir, "expected-crash.json")
		want, _ := e.want()
		got, _ := chromaGot(t, dir, filepath.Join(dir, "crash"))
		if same := cmp.Equal(want, got); same != there {
			t.Errorf("the transaction is undone: %v, want %v", same, there)
		}
	}
}

// TestChromaOdd has names and values that nobody would choose.
func TestChromaOdd(t *testing.T) {
	dir := fixture(t, "chroma")
	path := filepath.Join(dir, "clean", "chroma.sqlite3")
	long := strings.Repeat("x", 20<<10)
	edit(t, path,
		`UPDATE embeddings SET embedding_id = '../../etc/passwd' WHERE embedding_id = 'r0'`,
		`UPDATE embeddings SET embedding_id = '' WHERE embedding_id = 'r1'`,
		`UPDATE embeddings SET embedding_id = 'a' || char(10) || 'b' WHERE embedding_id = 'r2'`,
		`UPDATE embedding_metadata SET string_value = 'x' || char(0) || 'y' WHERE key = 'chroma:document' AND string_value = 'Recipe 6'`,
		`INSERT INTO embedding_metadata (id, key, string_value) SELECT id, 'long', '`+long+`' FROM embeddings WHERE embedding_id = 'r7'`,
		`INSERT INTO embedding_metadata (id, key, string_value) SELECT id, 'title', 'The seventh' FROM embeddings WHERE embedding_id = 'r7'`,
		`UPDATE embedding_metadata SET string_value = zeroblob(17000000) WHERE key = 'chroma:document' AND string_value = 'Recipe 8'`,
		`INSERT INTO databases (id, name, tenant_id) VALUES ('x', 'mine', 'default_tenant')`,
		`UPDATE collections SET name = 'other name', database_id = 'x' WHERE name = 'notes'`,
	)
	s := open(t, "chroma", dir, path)
	all, skipped := records(t, s)
	paths := map[string]atocore.Record{}
	for _, r := range all {
		paths[r.Document.Origin+" "+r.Document.Path] = r
	}
	for _, want := range []string{"chroma:l2_small %2E%2E/%2E%2E/etc/passwd", "chroma:l2_small %", "chroma:l2_small a%0Ab", "chroma:default_tenant/mine/other name plain"} {
		if _, found := paths[want]; !found {
			t.Errorf("no document %q", want)
		}
	}
	if got := paths["chroma:l2_small r6"].Text; got != "x\uFFFDy" {
		t.Errorf("a text with a NUL is %q", got)
	}
	r7 := paths["chroma:l2_small r7"].Document
	if r7.Title != "The seventh" || len(r7.Metadata["long"]) != 16<<10 {
		t.Errorf("title %q, metadata of %d bytes", r7.Title, len(r7.Metadata["long"]))
	}
	if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, `metadata "long" is cut`) || !strings.Contains(notes, "U+FFFD") {
		t.Errorf("notes %q", notes)
	}
	found := false
	for _, s := range skipped {
		found = found || s.Key == "chroma:l2_small/r8" && strings.Contains(s.Reason, "17000000 bytes")
	}
	if !found {
		t.Errorf("the text that is too long is not among %v", skipped)
	}
}
