package httpapi_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
	"github.com/atocore/atocore/adapters/wire"
)

type memories struct {
	Memories []atocore.Memory `json:"memories"`
	More     bool             `json:"more"`
}

func TestMemories(t *testing.T) {
	s := newService(t)
	get[atocore.Project](t, s, "POST", "/projects", `{"name":"website","aliases":["www"],"description":"The site."}`)
	m := get[atocore.Memory](t, s, "POST", "/memories", `{"type":"preference","content":"Answers in British English.","project":"www","confidence":0.5,
		"tags":["style"],"metadata":{"k":"v"},"provenance":{"speaker":"Ada","session":"s1","client":"chat","source":"notes"},"valid_from":"2026-01-01T00:00:00Z"}`,
		"X-Atocore-Client", "tests")
	stored, err := s.store.Memory(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, m); diff != "" {
		t.Errorf("the answer (-stored +answered):\n%s", diff)
	}
	if m.Project != "website" || m.Confidence != 0.5 || m.Provenance.Speaker != "Ada" || m.Provenance.Actor != "http:tests" || m.ValidFrom.IsZero() || m.Metadata["k"] != "v" {
		t.Errorf("stored: %+v", m)
	}
	got := get[struct {
		Kind string `json:"kind"`
		atocore.Memory
	}](t, s, "GET", "/memories/"+m.ID, nil)
	if got.Kind != "memory" || got.ID != m.ID {
		t.Errorf("got %+v", got)
	}
	if r := get[atocore.Memory](t, s, "PATCH", "/memories/"+m.ID, `{"content":"Answers are in British English."}`); r.Content != "Answers are in British English." || r.ID != m.ID {
		t.Errorf("revised: %+v", r)
	}
	if r := get[atocore.Memory](t, s, "POST", "/memories/"+m.ID+"/reinforce", nil); r.Reinforced != 1 {
		t.Errorf("reinforced: %+v", r)
	}
	next := get[atocore.Memory](t, s, "POST", "/memories/"+m.ID+"/supersede", `{"content":"Answers are in French."}`)
	if next.Supersedes != m.ID || next.Project != "website" {
		t.Errorf("superseded: %+v", next)
	}
	if r := get[atocore.Memory](t, s, "POST", "/memories/"+next.ID+"/invalidate", `{"reason":"She never said so."}`); r.Status != atocore.Invalid {
		t.Errorf("invalidated: %+v", r)
	}
	c := get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"Water boils at 99 degrees.","status":"candidate"}`)
	if r := get[atocore.Memory](t, s, "POST", "/memories/"+c.ID+"/promote", `{}`); r.Status != atocore.Active {
		t.Errorf("promoted: %+v", r)
	}
	history := get[struct {
		ID      string                 `json:"id"`
		History []atocore.JournalEntry `json:"history"`
	}](t, s, "GET", "/memories/"+m.ID+"/history", nil)
	if len(history.History) != 4 || history.History[0].Op != "remember" || history.History[0].Actor != "http:tests" || history.History[1].Actor != "http" {
		t.Errorf("history: %+v", history)
	}

	for query, want := range map[string]int{
		"": 1, "?status=all": 3, "?status=invalid&status=superseded": 2, "?type=knowledge&type=identity": 1, "?type=identity": 0,
		"?status=all&project=www": 2, "?tag=style&status=all": 2, "?tag=style&tag=other&status=all": 0, "?as_of=2020-01-01T00:00:00Z": 0,
	} {
		if got := get[memories](t, s, "GET", "/memories"+query, nil); len(got.Memories) != want || got.More {
			t.Errorf("GET /memories%s: %d memories, want %d", query, len(got.Memories), want)
		}
	}
	if got := get[memories](t, s, "GET", "/memories?status=all&limit=2", nil); len(got.Memories) != 2 || !got.More {
		t.Errorf("two of three: %d, more %v", len(got.Memories), got.More)
	}
	f := get[struct {
		Forgotten []atocore.Forgotten `json:"forgotten"`
	}](t, s, "DELETE", "/memories/"+c.ID+"?reason=asked+to", nil)
	if len(f.Forgotten) != 1 || f.Forgotten[0].ID != c.ID {
		t.Errorf("forgotten: %+v", f)
	}
	s.fails(t, 404, "not_found", "GET", "/memories/"+c.ID, nil)

	p := s.fails(t, 422, "invalid", "POST", "/memories", `{"type":"note","content":"x"}`)
	if p.Field != "type" || !strings.Contains(p.Detail, "adaptation") {
		t.Errorf("a wrong type: %+v", p)
	}
	p = s.fails(t, 422, "invalid", "POST", "/memories", `{"type":"knowledge","content":"x","colour":"red"}`)
	if p.Field != "colour" {
		t.Errorf("an unknown field: %+v", p)
	}
	p = s.fails(t, 422, "invalid", "POST", "/memories", `{"type":"knowledge","content":" "}`)
	if p.Field != "content" {
		t.Errorf("a blank statement: %+v", p)
	}
	p = s.fails(t, 422, "invalid", "POST", "/memories", `{"content":"x"}`)
	if p.Detail == "" {
		t.Errorf("no type: %+v", p)
	}
	s.fails(t, 422, "invalid", "POST", "/memories", `{"type":"knowledge","content":"x","confidence":0}`)
	s.fails(t, 404, "not_found", "POST", "/memories", `{"type":"knowledge","content":"x","project":"nowhere"}`)
	s.fails(t, 400, "malformed", "POST", "/memories", `{"type":"knowledge","content":"\ud800"}`)
	s.fails(t, 400, "malformed", "POST", "/memories", "{\"type\":\"knowledge\",\"content\":\"caf\xe9\"}")
	s.fails(t, 400, "malformed", "POST", "/memories", `{"type":`)
	s.fails(t, 400, "malformed", "POST", "/memories", `{"type":"knowledge","content":"x"} {}`)
	s.fails(t, 400, "malformed", "POST", "/memories", nil)
	s.fails(t, 413, "too_large", "POST", "/memories", `{"type":"knowledge","content":"`+strings.Repeat("x", 2<<20)+`"}`)
	s.fails(t, 415, "media_type", "POST", "/memories", `{"type":"knowledge","content":"x"}`, "Content-Type", "text/plain")
	s.fails(t, 415, "media_type", "POST", "/memories", `{"type":"knowledge","content":"x"}`, "Content-Type", "")
	s.fails(t, 415, "media_type", "POST", "/memories", `{"type":"knowledge","content":"x"}`, "Content-Type", "application/json; charset=latin1")
	s.fails(t, 409, "conflict", "POST", "/memories/"+m.ID+"/promote", nil)
	s.fails(t, 422, "invalid", "POST", "/memories/"+m.ID+"/promote", `{"force":true}`)
	s.fails(t, 409, "conflict", "POST", "/memories/"+m.ID+"/reinforce", nil)
	s.fails(t, 404, "not_found", "POST", "/memories/nobody/supersede", `{"content":"x"}`)
	s.fails(t, 422, "invalid", "POST", "/memories/"+m.ID+"/invalidate", `{"reason":""}`)
	s.fails(t, 404, "not_found", "GET", "/memories/nobody/history", nil)
	s.fails(t, 404, "not_found", "DELETE", "/memories/nobody", nil)
	s.fails(t, 422, "invalid", "GET", "/memories?projekt=x", nil)
	s.fails(t, 422, "invalid", "GET", "/memories?limit=0", nil)
	s.fails(t, 422, "invalid", "GET", "/memories?status=lost", nil)
	s.fails(t, 404, "not_found", "GET", "/memories?project=nowhere", nil)
	s.fails(t, 400, "malformed", "GET", "/memories?project=%ff", nil)
	s.fails(t, 400, "malformed", "GET", "/memories?project=100%", nil) // must not list those of all projects
	s.fails(t, 400, "malformed", "GET", "/memories?%zz=1", nil)
	s.fails(t, 404, "not_found", "GET", "/memories?project=a;b", nil)
	s.fails(t, 400, "malformed", "GET", "/memories/%ff", nil)
	s.fails(t, 404, "not_found", "GET", "/nothing", nil)
	if a := s.do(t, "PUT", "/memories", `{}`); a.status != 405 || a.header.Get("Allow") == "" {
		t.Errorf("PUT /memories: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
	s.fails(t, 405, "method_not_allowed", "PUT", "/memories", `{}`)
}

func TestRetrieval(t *testing.T) {
	s := newService(t)
	for _, body := range []string{
		`{"type":"preference","content":"Answers are short and in British English."}`,
		`{"type":"knowledge","content":"The landlord is Mr Okafor, at 12 Mill Lane."}`,
	} {
		get[atocore.Memory](t, s, "POST", "/memories", body)
	}
	got := get[atocore.Results](t, s, "POST", "/search", `{"query":"who is the landlord","explain":true,"limit":1}`)
	if len(got.Hits) != 1 || got.Hits[0].Type != atocore.Knowledge || got.Hits[0].Explanation == nil {
		t.Errorf("search: %+v", got)
	}
	if got := get[atocore.Results](t, s, "POST", "/search", `{"query":"landlord","types":["preference"],"kinds":["memory"],"mode":"text","statuses":["all"]}`); len(got.Hits) != 0 {
		t.Errorf("filtered: %+v", got)
	}
	pack := get[atocore.Pack](t, s, "POST", "/context", `{"prompt":"Write to the landlord","budget":300}`)
	if len(pack.Items) != 2 || !strings.Contains(pack.Text, "Okafor") || pack.Tokens > 300 {
		t.Errorf("context: %+v", pack)
	}
	if p := s.fails(t, 422, "invalid", "POST", "/search", `{"query":""}`); p.Field != "query" || p.Hint == "" {
		t.Errorf("no question: %+v", p)
	}
	s.fails(t, 422, "invalid", "POST", "/search", `{"query":"x","limit":5000}`)
	s.fails(t, 422, "invalid", "POST", "/search", `{"query":"x","kinds":["verb"]}`)
	s.fails(t, 422, "invalid", "POST", "/search", `{"query":"x","after":"yesterday"}`)
	s.fails(t, 422, "invalid", "POST", "/search", `{"query":7}`)
	s.fails(t, 404, "not_found", "POST", "/search", `{"query":"x","project":"nowhere"}`)
	s.fails(t, 422, "invalid", "POST", "/context", `{"prompt":"x","budget":-1}`)
	s.fails(t, 422, "invalid", "POST", "/context", `{"prompt":"x","format":"xml"}`)
	s.fails(t, 413, "too_large", "POST", "/context", `{"prompt":"`+strings.Repeat("x", 3<<20)+`"}`)
}

func TestDocuments(t *testing.T) {
	s := serve(t, openStore(t, &atocore.Options{NoEmbedder: true}), nil)
	d := get[atocore.Document](t, s, "POST", "/documents", `{"path":"guide.md","text":"# Guide\n\nTurn it off.\n\n## More\n\nTurn it on.","origin":"wiki","tags":["t"]}`)
	if d.Title != "Guide" || d.Chunks != 1 || d.Origin != "wiki" {
		t.Errorf("stored: %+v", d)
	}
	list := get[struct {
		Documents []atocore.Document `json:"documents"`
	}](t, s, "GET", "/documents?origin=wiki", nil)
	if len(list.Documents) != 1 || list.Documents[0].ID != d.ID {
		t.Errorf("listed: %+v", list)
	}
	chunks := get[struct {
		Chunks []atocore.Chunk `json:"chunks"`
	}](t, s, "GET", "/documents/"+d.ID+"/chunks", nil)
	if len(chunks.Chunks) != 1 {
		t.Errorf("chunks: %+v", chunks)
	}
	if got := s.do(t, "GET", "/documents/"+d.ID, nil); got.status != 200 {
		t.Errorf("GET: %d", got.status)
	}
	// A text beyond the bounds of other routes.
	line := strings.Repeat("x", 99) + "\n"
	long := strings.Repeat(line, 2<<20/len(line))
	if d := get[atocore.Document](t, s, "POST", "/documents", map[string]string{"path": "long.txt", "media_type": "text/plain", "text": long}); d.Size != int64(len(long)) {
		t.Errorf("a long document: %d bytes of %d", d.Size, len(long))
	}
	if p := s.fails(t, 422, "invalid", "POST", "/documents", `{"path":"../x","text":"x"}`); p.Field != "path" {
		t.Errorf("a path that leads out: %+v", p)
	}
	s.fails(t, 404, "not_found", "GET", "/documents/nobody", nil)
	s.fails(t, 404, "not_found", "GET", "/documents/nobody/chunks", nil)
	m := get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"x"}`)
	s.fails(t, 404, "not_found", "DELETE", "/documents/"+m.ID, nil)
	s.fails(t, 404, "not_found", "DELETE", "/memories/"+d.ID, nil)
	if got := s.do(t, "DELETE", "/documents/"+d.ID, nil); got.status != 200 {
		t.Errorf("DELETE: %d %s", got.status, got.body)
	}
}

func TestProjectsAndState(t *testing.T) {
	s := newService(t)
	if got := s.do(t, "GET", "/projects", nil); strings.TrimSpace(string(got.body)) != `{"projects":[]}` {
		t.Errorf("none: %s", got.body)
	}
	get[atocore.Project](t, s, "POST", "/projects", `{"name":"website","aliases":["www"]}`)
	if p := get[atocore.Project](t, s, "GET", "/projects/WWW", nil); p.Name != "website" {
		t.Errorf("by alias: %+v", p)
	}
	e := get[atocore.StateEntry](t, s, "PUT", "/projects/www/state", `{"key":"deadline","value":"31 March","source":"mail"}`)
	if e.Project != "website" || e.Category != "general" {
		t.Errorf("set: %+v", e)
	}
	type state struct {
		State []atocore.StateEntry `json:"state"`
	}
	if got := get[state](t, s, "GET", "/projects/website/state", nil); len(got.State) != 1 || got.State[0].Value != "31 March" {
		t.Errorf("list: %+v", got)
	}
	if got := get[state](t, s, "GET", "/projects/website/state?category=decisions", nil); len(got.State) != 0 {
		t.Errorf("list of another category: %+v", got)
	}
	if got := get[atocore.StateEntry](t, s, "DELETE", "/projects/www/state?key=deadline", nil); got.ID != e.ID {
		t.Errorf("unset: %+v", got)
	}
	s.fails(t, 404, "not_found", "DELETE", "/projects/www/state?key=deadline", nil)
	s.fails(t, 422, "invalid", "DELETE", "/projects/www/state", nil)
	s.fails(t, 404, "not_found", "GET", "/projects/nowhere", nil)
	s.fails(t, 404, "not_found", "GET", "/projects/nowhere/state", nil)
	s.fails(t, 404, "not_found", "PUT", "/projects/nowhere/state", `{"key":"a","value":"b"}`)
	s.fails(t, 422, "invalid", "PUT", "/projects/www/state", `{"key":"","value":"b"}`)
	s.fails(t, 422, "invalid", "POST", "/projects", `{"name":" "}`)
	get[atocore.Project](t, s, "POST", "/projects", `{"name":"shop"}`)
	s.fails(t, 409, "conflict", "POST", "/projects", `{"name":"shop","aliases":["www"]}`)
}

func TestInteractions(t *testing.T) {
	s := newService(t)
	i := get[atocore.Interaction](t, s, "POST", "/interactions", `{"prompt":"Which port?","response":"8443.","session":"s1","turn":"1","client":"chat","created_at":"2026-01-01T00:00:00Z"}`)
	if again := get[atocore.Interaction](t, s, "POST", "/interactions", `{"prompt":"Which port?","response":"8443.","session":"s1","turn":"1","client":"chat"}`); again.ID != i.ID {
		t.Errorf("the same turn is stored twice: %s, %s", i.ID, again.ID)
	}
	type list struct {
		Interactions []atocore.Interaction `json:"interactions"`
	}
	if got := get[list](t, s, "GET", "/interactions?client=chat&session=s1", nil); len(got.Interactions) != 1 || got.Interactions[0].ID != i.ID {
		t.Errorf("listed: %+v", got)
	}
	if got := get[list](t, s, "GET", "/interactions?client=other", nil); len(got.Interactions) != 0 {
		t.Errorf("listed: %+v", got)
	}
	p := s.fails(t, 422, "invalid", "POST", "/interactions", `{}`)
	if p.Field != "prompt" {
		t.Errorf("empty: %+v", p)
	}
	s.fails(t, 422, "invalid", "POST", "/interactions", `{"id":"x","prompt":"x"}`)
}

func TestCandidates(t *testing.T) {
	s := newService(t)
	c := get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"Water boils at 99 degrees.","status":"candidate"}`)
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"Ice is cold."}`)
	type candidates struct {
		Candidates []atocore.Memory `json:"candidates"`
	}
	if got := get[candidates](t, s, "GET", "/candidates", nil); len(got.Candidates) != 1 || got.Candidates[0].ID != c.ID {
		t.Errorf("listed: %+v", got)
	}
	if got := get[candidates](t, s, "GET", "/candidates?type=identity", nil); len(got.Candidates) != 0 {
		t.Errorf("listed, of another type: %+v", got)
	}
	s.fails(t, 422, "invalid", "POST", "/candidates/"+c.ID+"/accept", `{"content":7}`)
	s.fails(t, 422, "invalid", "POST", "/candidates/"+c.ID+"/reject", `{"because":"x"}`)
	s.fails(t, 404, "not_found", "POST", "/candidates/nobody/accept", nil)
	s.fails(t, 404, "not_found", "POST", "/candidates/nobody/reject", nil)
	if m := get[atocore.Memory](t, s, "POST", "/candidates/"+c.ID+"/accept", `{"content":"Water boils at 100 degrees."}`); m.Status != atocore.Active || m.Content != "Water boils at 100 degrees." {
		t.Errorf("accepted: %+v", m)
	}
	learnt := get[atocore.Learnt](t, s, "POST", "/interactions", `{"prompt":"We decided to use port 8443 for the API.","response":"Noted.","learn":true}`)
	if len(learnt.Candidates) != 1 || learnt.Interaction.ID == "" {
		t.Fatalf("learnt: %+v", learnt)
	}
	if m := get[atocore.Memory](t, s, "POST", "/candidates/"+learnt.Candidates[0].ID+"/reject", `{"reason":"It was a joke."}`); m.Status != atocore.Invalid {
		t.Errorf("rejected: %+v", m)
	}
	s.fails(t, 409, "conflict", "POST", "/candidates/"+learnt.Candidates[0].ID+"/accept", nil)
}

func TestJournal(t *testing.T) {
	s := serve(t, openStore(t, &atocore.Options{NoEmbedder: true}), nil)
	// More than one batch.
	batch := make([]atocore.Memory, 1200)
	for i := range batch {
		batch[i] = atocore.Memory{Type: atocore.Knowledge, Content: "Statement " + jsonText(i)}
	}
	if _, err := s.store.RememberAll(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	read := func(path string) (list []atocore.JournalEntry) {
		a := s.do(t, "GET", path, nil)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/jsonl" {
			t.Fatalf("%s: %d, %s", path, a.status, a.header.Get("Content-Type"))
		}
		for line := range strings.Lines(string(a.body)) {
			var e atocore.JournalEntry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
		}
		return list
	}
	var want []atocore.JournalEntry
	for e, err := range s.store.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	if got := read("/journal"); !reflect.DeepEqual(got, want) {
		t.Errorf("%d entries are read, of %d, or others", len(got), len(want))
	}
	if got := read("/journal?after=" + jsonText(want[1149].Seq)); !reflect.DeepEqual(got, want[1150:]) {
		t.Errorf("its end: %d entries are read, of %d, or others", len(got), len(want)-1150)
	}
	if got := read("/journal?after=1000000"); len(got) != 0 {
		t.Errorf("beyond the end: %v", got)
	}
	s.fails(t, 422, "invalid", "GET", "/journal?after=-1", nil)
	s.fails(t, 422, "invalid", "GET", "/journal?after=x", nil)
}

func jsonText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestAdmin(t *testing.T) {
	s := newService(t)
	get[atocore.Memory](t, s, "POST", "/memories", `{"type":"knowledge","content":"The landlord is Mr Okafor."}`)
	snap := get[wire.Snapshot](t, s, "POST", "/admin/backup", `{"include_vectors":true,"label":"first"}`)
	if !snap.Sound || !snap.Vectors || snap.Label != "first" {
		t.Errorf("created: %+v", snap)
	}
	bare := get[wire.Snapshot](t, s, "POST", "/admin/backup", `{"include_vectors":false,"check":false}`)
	if bare.Vectors || bare.Checked != nil {
		t.Errorf("created without vectors: %+v", bare)
	}
	last := get[wire.Snapshot](t, s, "POST", "/admin/backup", nil)
	list := get[struct {
		Snapshots []wire.Snapshot `json:"snapshots"`
	}](t, s, "GET", "/admin/backup", nil)
	if len(list.Snapshots) != 3 || list.Snapshots[0].Stamp != last.Stamp {
		t.Errorf("listed: %+v", list)
	}
	if r := get[atocore.ValidateReport](t, s, "GET", "/admin/backup/latest/validate", nil); !r.OK || r.Stamp != last.Stamp {
		t.Errorf("validated: %+v", r)
	}
	if r := get[atocore.ValidateReport](t, s, "GET", "/admin/backup/"+bare.Stamp+"/validate?vectors=true", nil); r.OK || len(r.Findings) != 1 {
		t.Errorf("validated, with vectors: %+v", r)
	}
	if r := get[atocore.PruneReport](t, s, "POST", "/admin/backup/prune", `{"keep_last":1,"keep_labels":["first"],"dry_run":true}`); len(r.Removed) != 1 || !r.DryRun {
		t.Errorf("pruned: %+v", r)
	}
	if r := get[atocore.PruneReport](t, s, "POST", "/admin/backup/prune", `{"keep_within":"7d"}`); len(r.Removed) != 0 || len(r.Kept) != 3 {
		t.Errorf("pruned: %+v", r)
	}
	drill := get[atocore.DrillReport](t, s, "POST", "/admin/backup/drill", `{"probes":["landlord"]}`)
	if !drill.OK || drill.Hits == 0 || drill.Probes != 1 {
		t.Errorf("drill: %+v", drill)
	}
	drills := get[struct {
		Drills []atocore.DrillReport `json:"drills"`
	}](t, s, "GET", "/admin/backup/drills", nil)
	if len(drills.Drills) != 1 || drills.Drills[0].ID != drill.ID {
		t.Errorf("drills: %+v", drills)
	}
	h := get[httpapi.Health](t, s, "GET", "/health", nil)
	if h.LastSnapshot == nil || h.LastSnapshot.Stamp != last.Stamp || h.LastDrill == nil || !h.LastDrill.OK || h.LastProven == nil {
		t.Errorf("health: %+v", h)
	}
	s.fails(t, 404, "not_found", "GET", "/admin/backup/20200101T000000Z/validate", nil)
	s.fails(t, 422, "invalid", "POST", "/admin/backup/prune", `{}`)
	s.fails(t, 422, "invalid", "POST", "/admin/backup/prune", `{"keep_within":"soon"}`)
	s.fails(t, 404, "not_found", "POST", "/admin/backup/drill", `{"stamp":"20200101T000000Z"}`)
	s.fails(t, 422, "invalid", "POST", "/admin/backup/drill", `{"in_place":true}`)
}
