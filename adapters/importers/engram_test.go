package importers_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

type engramExpected struct {
	Export struct {
		Sessions []struct {
			ID, Project, Summary string
			StartedAt            string `json:"started_at"`
		}
		Observations []struct {
			ID                            int
			Type, Title, Content, Project string
			Scope                         string
			SessionID                     string `json:"session_id"`
			TopicKey                      string `json:"topic_key"`
			ToolName                      string `json:"tool_name"`
			CreatedAt                     string `json:"created_at"`
			DeletedAt                     string `json:"deleted_at"`
		}
		Prompts []struct {
			ID               int
			Content, Project string
			SessionID        string `json:"session_id"`
			CreatedAt        string `json:"created_at"`
		}
	}
	Stats struct {
		Observations int      `json:"total_observations"`
		Projects     []string `json:"projects"`
	}
	Recent []int `json:"recent_observation_ids"`
}

func TestEngram(t *testing.T) {
	dir := fixture(t, "engram")
	for _, test := range []struct{ path, expected string }{
		{"clean", "expected.json"}, {"clean/engram.db", "expected.json"}, {"crash", "expected-crash.json"},
	} {
		e := expected[engramExpected](t, dir, test.expected)
		all, skipped := records(t, open(t, "engram", dir, filepath.Join(dir, filepath.FromSlash(test.path))))
		if len(skipped) > 0 {
			t.Errorf("%s: skipped %v", test.path, skipped)
		}
		slices.Sort(e.Stats.Projects)
		if diff := cmp.Diff(e.Stats.Projects, projectsOf(all)); diff != "" {
			t.Errorf("%s: projects (-want +got):\n%s", test.path, diff)
		}
		bySource := map[string]atocore.Memory{}
		prompts := map[string]atocore.Interaction{}
		for _, r := range all {
			if r.Memory != nil {
				bySource[r.Memory.Provenance.Source] = *r.Memory
			}
			if r.Interaction != nil {
				prompts[r.Interaction.Prompt] = *r.Interaction
			}
		}
		live, summaries := 0, 0
		for _, o := range e.Export.Observations {
			m, found := bySource["engram:observation/"+itoa(o.ID)]
			if found != (o.DeletedAt == "") || found != slices.Contains(e.Recent, o.ID) {
				t.Errorf("%s: observation %d is there: %v, deleted %q", test.path, o.ID, found, o.DeletedAt)
			}
			if !found {
				continue
			}
			live++
			at, err := time.Parse(time.DateTime, o.CreatedAt)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(m.Content, o.Title) || !strings.HasSuffix(m.Content, o.Content) || m.Project != o.Project ||
				m.Provenance.Session != o.SessionID || !m.CreatedAt.Equal(at) || !slices.Equal(m.Tags, []string{o.Type}) ||
				m.Metadata["scope"] != o.Scope || m.Metadata["topic_key"] != o.TopicKey || m.Metadata["tool"] != o.ToolName {
				t.Errorf("%s: observation %+v became %+v", test.path, o, m)
			}
		}
		if live != e.Stats.Observations {
			t.Errorf("%s: %d observations, want %d", test.path, live, e.Stats.Observations)
		}
		for _, s := range e.Export.Sessions {
			m, found := bySource["engram:session/"+s.ID]
			if found != (s.Summary != "") || found && (m.Content != s.Summary || m.Type != atocore.Episodic || m.Project != s.Project || m.Provenance.Session != s.ID || m.ValidFrom.IsZero()) {
				t.Errorf("%s: session %+v became %+v", test.path, s, m)
			}
			if found {
				summaries++
			}
		}
		if want := live + summaries; len(bySource) != want {
			t.Errorf("%s: %d memories, want %d", test.path, len(bySource), want)
		}
		for _, p := range e.Export.Prompts {
			i := prompts[p.Content]
			if i.Session != p.SessionID || i.Project != p.Project || i.CreatedAt.Format(time.DateTime) != p.CreatedAt || i.Response != "" {
				t.Errorf("%s: prompt %+v became %+v", test.path, p, i)
			}
		}
		if len(prompts) != len(e.Export.Prompts) {
			t.Errorf("%s: %d prompts, want %d", test.path, len(prompts), len(e.Export.Prompts))
		}
	}
}

// TestEngramTypes wants each of engram's types to become the right one.
func TestEngramTypes(t *testing.T) {
	dir := fixture(t, "engram")
	all, _ := records(t, open(t, "engram", dir, filepath.Join(dir, "clean")))
	want := map[string]atocore.MemoryType{
		"1": atocore.Episodic, "2": atocore.ProjectMemory, "3": atocore.Knowledge, "5": atocore.Preference, "7": atocore.ProjectMemory,
		"10": atocore.Knowledge, "17": atocore.Knowledge, "19": atocore.Knowledge,
	}
	for _, r := range all {
		if r.Memory == nil {
			continue
		}
		if typ, named := want[strings.TrimPrefix(r.Memory.Provenance.Source, "engram:observation/")]; named && r.Memory.Type != typ {
			t.Errorf("%s is %s, want %s", r.Key, r.Memory.Type, typ)
		}
	}
}

// TestEngramOdd has values of other types, texts that are too long or none, and an
// older version without the columns that came later.
func TestEngramOdd(t *testing.T) {
	dir := fixture(t, "engram")
	path := filepath.Join(dir, "clean", "engram.db")
	edit(t, path,
		`DROP TRIGGER obs_fts_update`, `DROP TRIGGER prompt_fts_update`, // indexing what is so long takes seconds
		`UPDATE observations SET type = 'decision', project = NULL WHERE id = 1`,
		`UPDATE observations SET title = x'ff41', content = 42, created_at = 'some day', project = 'two' || char(10) || 'lines' WHERE id = 2`,
		`UPDATE observations SET content = 'begin ' || hex(zeroblob(35000)) WHERE id = 3`,
		`UPDATE observations SET title = '', content = ' ' WHERE id = 4`,
		`UPDATE observations SET content = zeroblob(17000000) WHERE id = 5`,
		`UPDATE user_prompts SET content = hex(zeroblob(2500000)) WHERE id = 1`,
		`UPDATE user_prompts SET content = '' WHERE id = 2`,
		`DROP INDEX idx_obs_deleted`, `DROP INDEX idx_obs_topic`, `DROP INDEX idx_obs_scope`, `DROP INDEX idx_obs_dedupe`,
		`ALTER TABLE observations DROP COLUMN deleted_at`, `ALTER TABLE observations DROP COLUMN topic_key`,
	)
	all, skipped := records(t, open(t, "engram", dir, path))
	byKey := map[string]atocore.Record{}
	for _, r := range all {
		_, rest, _ := strings.Cut(r.Key, ":")
		parts := strings.SplitN(rest, "/", 3)
		byKey[strings.Join(parts[:2], "/")] = r
	}
	if m := byKey["observation/1"].Memory; m.Type != atocore.Knowledge || m.Project != "" {
		t.Errorf("a decision of no project: %+v", m)
	}
	if m := byKey["observation/2"].Memory; m.Content != "\uFFFDA\n42" || m.Project != "two lines" || !m.CreatedAt.IsZero() {
		t.Errorf("odd values: %+v", m)
	}
	if r := byKey["observation/3"]; r.Document == nil || len(r.Text) < 70000 || r.Document.Origin != "engram" || r.Document.Path != "observations/3.md" || r.Document.Project != "harbour" {
		t.Errorf("a long text: %+v", r.Document)
	}
	var reasons []string
	for _, s := range skipped {
		reasons = append(reasons, s.Reason)
	}
	want := []string{"has no text", "its content has 17000000 bytes, more than 16777216", "has 5000000 bytes, more than 4194304", "has no text"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}
