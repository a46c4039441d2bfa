package importers_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"encoding/json"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func itoa(n int) string { return strconv.Itoa(n) }

type claudeExpected struct {
	Projects     struct{ Projects []string }
	Observations []struct {
		ID                         int
		Project, Type              string
		Platform                   string `json:"platform_source"`
		Title, Subtitle, Narrative string
		Facts, Concepts            string
		FilesRead                  string `json:"files_read"`
		FilesModified              string `json:"files_modified"`
		Created                    int64  `json:"created_at_epoch"`
	}
	Summaries []struct {
		ID                                      int
		Session                                 string `json:"session_id"`
		Project, Request, Investigated, Learned string
		Completed                               string
		NextSteps                               string `json:"next_steps"`
		Created                                 int64  `json:"created_at_epoch"`
	}
	Prompts []struct {
		ID       int
		Session  string `json:"content_session_id"`
		Project  string
		Platform string `json:"platform_source"`
		Text     string `json:"prompt_text"`
		Created  int64  `json:"created_at_epoch"`
	}
}

func list(t *testing.T, column string) (out []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(column), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestClaudeMem(t *testing.T) {
	dir := fixture(t, "claude-mem")
	e := expected[claudeExpected](t, dir, "expected.json")
	for _, path := range []string{"clean", "clean/claude-mem.db"} {
		all, skipped := records(t, open(t, "claude-mem", dir, filepath.Join(dir, filepath.FromSlash(path))))
		if len(skipped) > 0 {
			t.Errorf("skipped %v", skipped)
		}
		if diff := cmp.Diff(e.Projects.Projects, projectsOf(all)); diff != "" {
			t.Errorf("projects (-want +got):\n%s", diff)
		}
		bySource := map[string]atocore.Memory{}
		var prompts []atocore.Interaction
		for _, r := range all {
			if r.Memory != nil {
				bySource[r.Memory.Provenance.Source] = *r.Memory
			}
			if r.Interaction != nil {
				prompts = append(prompts, *r.Interaction)
			}
		}
		if want := len(e.Observations) + len(e.Summaries); len(bySource) != want {
			t.Errorf("%d memories, want %d", len(bySource), want)
		}
		for _, o := range e.Observations {
			m := bySource["claude-mem:observation/"+itoa(o.ID)]
			parts := append([]string{o.Title, o.Narrative}, list(t, o.Facts)...)
			if o.Subtitle != "Manual memory" {
				parts = append(parts, o.Subtitle)
			} else if strings.Contains(m.Content, o.Subtitle) {
				t.Errorf("observation %d says what the program says of it: %q", o.ID, m.Content)
			}
			for _, p := range parts {
				if strings.Count(m.Content, p) != 1 && p != "" {
					t.Errorf("observation %d says %q not once: %q", o.ID, p, m.Content)
				}
			}
			tags := append(list(t, o.Concepts), o.Type)
			slices.Sort(tags)
			if m.Project != o.Project || m.CreatedAt.UnixMilli() != o.Created || !slices.Equal(m.Tags, tags) || m.Metadata["platform"] != o.Platform ||
				m.Metadata["files_read"] != strings.Join(list(t, o.FilesRead), "\n") || m.Metadata["files_modified"] != strings.Join(list(t, o.FilesModified), "\n") {
				t.Errorf("observation %+v became %+v", o, m)
			}
		}
		if m := bySource["claude-mem:observation/2"]; m.Metadata["source"] != "chat" || m.Metadata["weight"] != "2" {
			t.Errorf("metadata %v", m.Metadata)
		}
		if typ := bySource["claude-mem:observation/5"].Type; typ != atocore.ProjectMemory {
			t.Errorf("a decision is %s", typ)
		}
		if m := bySource["claude-mem:observation/4"]; m.Type != atocore.Episodic || !m.ValidFrom.Equal(m.CreatedAt) || m.Provenance.Session != "7d9e4f10-1111-4000-8000-000000000001" {
			t.Errorf("a bug fixed is %+v", m)
		}
		for _, su := range e.Summaries {
			m := bySource["claude-mem:summary/"+itoa(su.ID)]
			for _, p := range []string{su.Request, su.Investigated, su.Learned, su.Completed, su.NextSteps} {
				if !strings.Contains(m.Content, p) {
					t.Errorf("summary %d does not say %q: %q", su.ID, p, m.Content)
				}
			}
			if m.Type != atocore.Episodic || m.Project != su.Project || m.Provenance.Session != su.Session || m.CreatedAt.UnixMilli() != su.Created {
				t.Errorf("summary %+v became %+v", su, m)
			}
		}
		if len(prompts) != len(e.Prompts) {
			t.Fatalf("%d prompts, want %d", len(prompts), len(e.Prompts))
		}
		for _, p := range e.Prompts { // newest first
			i := prompts[p.ID-1]
			if i.Prompt != p.Text || i.Session != p.Session || i.Project != p.Project || i.Metadata["platform"] != p.Platform || i.CreatedAt.UnixMilli() != p.Created {
				t.Errorf("prompt %+v became %+v", p, i)
			}
		}
	}
}

// TestClaudeMemOlder has the names of an older version, and no table of prompts: what
// began a session is then in the session alone.
func TestClaudeMemOlder(t *testing.T) {
	dir := fixture(t, "claude-mem")
	path := filepath.Join(dir, "clean", "claude-mem.db")
	edit(t, path,
		`DROP TABLE user_prompts`,
		`ALTER TABLE sdk_sessions RENAME COLUMN content_session_id TO claude_session_id`,
		`ALTER TABLE sdk_sessions RENAME COLUMN memory_session_id TO sdk_session_id`,
		`UPDATE observations SET facts = 'no JSON', concepts = '[1,null,{"a":1}]', metadata = '[', merged_into_project = 'merged' WHERE id = 8`,
		`UPDATE observations SET title = NULL, subtitle = NULL, narrative = NULL, facts = '[]', memory_session_id = 'mem-a1' WHERE id = 9`,
		`UPDATE observations SET created_at_epoch = 'x' WHERE id = 10`,
	)
	all, skipped := records(t, open(t, "claude-mem", dir, path))
	if len(skipped) != 1 || skipped[0].Reason != "has no text" {
		t.Errorf("skipped %v", skipped)
	}
	var prompts []string
	for _, r := range all {
		switch {
		case r.Interaction != nil:
			prompts = append(prompts, r.Interaction.Session+" "+r.Interaction.Prompt)
		case r.Memory == nil:
		case r.Memory.Provenance.Source == "claude-mem:observation/8":
			m := r.Memory
			if !strings.HasSuffix(m.Content, "\n- no JSON") || !slices.Equal(m.Tags, []string{"1", "discovery", `{"a":1}`}) || m.Metadata["metadata"] != "[" || m.Project != "merged" {
				t.Errorf("odd values: %+v", m)
			}
		case r.Memory.Provenance.Source == "claude-mem:observation/10":
			if got := r.Memory.CreatedAt.Format("2006-01-02 15:04:05.000"); got != "2026-03-05 21:15:30.123" {
				t.Errorf("the time from the text is %s", got)
			}
		}
	}
	want := []string{
		"7d9e4f10-1111-4000-8000-000000000001 Why does the login time out?", "7d9e4f10-2222-4000-8000-000000000002 Move the configuration to TOML",
		"codex-0199-3333 灯台のランプを調べて",
	}
	if diff := cmp.Diff(want, prompts); diff != "" {
		t.Errorf("prompts (-want +got):\n%s", diff)
	}
}
