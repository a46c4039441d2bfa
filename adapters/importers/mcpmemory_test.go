package importers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/importers"
)

type graphExpected struct {
	Counts struct{ Entities, Relations, Observations int }
	Graph  struct {
		Entities []struct {
			Name, EntityType string
			Observations     []string
		}
		Relations []struct{ From, To, RelationType string }
	}
}

// contents are the memories' texts and what they are about.
func contents(all []atocore.Record) map[string]string {
	out := map[string]string{}
	for _, r := range all {
		if r.Memory != nil {
			out[r.Memory.Content] = r.Memory.Provenance.Source
		}
	}
	return out
}

func TestMCPMemory(t *testing.T) {
	dir := fixture(t, "mcp-memory")
	e := expected[graphExpected](t, dir, "expected.json")
	want := map[string]string{}
	for _, entity := range e.Graph.Entities {
		head := entity.Name + " (" + entity.EntityType + ")"
		for _, o := range entity.Observations {
			want[head+": "+o] = "mcp-memory:" + entity.Name
		}
		if len(entity.Observations) == 0 {
			want[head] = "mcp-memory:" + entity.Name
		}
	}
	for _, r := range e.Graph.Relations {
		want[r.From+" "+r.RelationType+" "+r.To] = "mcp-memory:" + r.From
	}
	if least := e.Counts.Observations + e.Counts.Relations; len(want) < least {
		t.Fatalf("%d records are expected, at least %d are there", len(want), least)
	}
	for _, path := range []string{dir, filepath.Join(dir, "memory.jsonl")} {
		all, skipped := records(t, open(t, "mcp-memory", dir, path))
		if diff := cmp.Diff(want, contents(all)); diff != "" || len(skipped) > 0 || len(all) != len(want) {
			t.Errorf("%d records, skipped %v (-want +got):\n%s", len(all), skipped, diff)
		}
		for _, r := range all {
			if r.Memory.Type != atocore.Knowledge {
				t.Errorf("%s is of type %s", r.Key, r.Memory.Type)
			}
		}
	}
}

// TestGraphLines has a file that hands have been at.
func TestGraphLines(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "memory.json")
	long := strings.Repeat("long ", 20_000)
	lines := []string{
		"\ufeff" + `{"type":"entity","name":"Anna","entityType":"person","observations":["One","One"," ","Two"]}`,
		``,
		`{"type":"entity","name":"Ben","entityType":"","observations":[]}`,
		`{"type":"entity","name":"Ben"`,
		`{"type":"entity","name":" ","observations":["of nobody"]}`,
		`{"type":"relation","from":"Anna","to":"Ben","relationType":"knows"}`,
		`{"type":"relation","from":"Anna","to":"Ben","relationType":"knows"}`,
		`{"type":"relation","from":"Anna","to":"","relationType":"knows"}`,
		`{"type":"relation","from":"Anna","to":"nobody","relationType":""}`,
		`{"type":"thing"}`,
		`{"type":"entity","name":"Carl","entityType":"person","observations":["` + long + `"]}` + "\r",
		`{"type":"entity","name":"Dora","entityType":"person","observations":[1]}`,
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	all, skipped := records(t, open(t, "mcp-memory", dir, dir))
	want := map[string]string{
		"Anna (person): One": "mcp-memory:Anna", "Anna (person): Two": "mcp-memory:Anna", "Ben": "mcp-memory:Ben",
		"Anna knows Ben": "mcp-memory:Anna", "Anna is related to nobody": "mcp-memory:Anna",
	}
	if diff := cmp.Diff(want, contents(all)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	documents := 0
	for _, r := range all {
		if r.Document != nil {
			documents++
			if want := "Carl (person): " + strings.TrimSpace(long); r.Text != want || r.Document.Title != "Carl" || r.Document.Origin != "mcp-memory" {
				t.Errorf("what is too long for a memory: %+v, %d bytes", r.Document, len(r.Text))
			}
		}
	}
	if documents != 1 {
		t.Errorf("%d documents, want 1", documents)
	}
	var reasons []string
	for _, s := range skipped {
		reasons = append(reasons, s.Reason)
	}
	got := strings.Join(reasons, "\n")
	for _, want := range []string{"an observation of Anna without text", "line 4 is not JSON", "line 5 is an entity without a name", "line 8 is a relation without two ends", `line 10 is neither an entity nor a relation, but "thing"`, "line 12 is not JSON"} {
		if !strings.Contains(got, want) {
			t.Errorf("skipped, without %q:\n%s", want, got)
		}
	}
	if len(skipped) != 6 {
		t.Errorf("%d are skipped, want 6:\n%s", len(skipped), got)
	}
	dir = t.TempDir()
	empty := filepath.Join(dir, "empty.jsonl")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, _ := records(t, open(t, "mcp-memory", dir, empty)); len(all) > 0 {
		t.Errorf("records of a server that remembers nothing: %v", all)
	}
}

func FuzzGraph(f *testing.F) {
	f.Add([]byte(`{"type":"entity","name":"Anna","entityType":"person","observations":["One"]}` + "\n" + `{"type":"relation","from":"a","to":"b","relationType":"c"}`))
	f.Add([]byte("\ufeff{\"type\":\"entity\",\"name\":\"\\ud800\x00\",\"observations\":[\"\xff\"]}"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		all, _ := records(t, importers.Graph(lines))
		for _, r := range all {
			if r.Memory != nil && (len(r.Memory.Content) > atocore.MaxMemoryBytes || strings.TrimSpace(r.Memory.Content) == "" || !utf8.ValidString(r.Memory.Content) || strings.Contains(r.Memory.Content, "\x00")) {
				t.Errorf("content %q", r.Memory.Content)
			}
		}
	})
}
