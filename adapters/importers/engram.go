package importers

import (
	"context"
	"strconv"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/foreign"
)

var (
	engramSessions = foreign.Table{
		Name: "sessions", Need: []string{"id", "project"},
		Want: []string{"directory", "started_at", "ended_at", "summary"}, Order: []string{"id"},
	}
	engramObservations = foreign.Table{
		Name: "observations", Need: []string{"id", "type", "title", "content"},
		Want: []string{"session_id", "tool_name", "project", "scope", "topic_key", "created_at", "deleted_at"}, Order: []string{"id"},
	}
	engramPrompts = foreign.Table{
		Name: "user_prompts", Need: []string{"id", "session_id", "content"},
		Want: []string{"project", "created_at"}, Order: []string{"id"},
	}
)

func openEngram(ctx context.Context, s *Source, path string, o *Options) error {
	db, err := s.database(ctx, path, o, engramSessions, engramObservations, engramPrompts)
	if err != nil {
		return err
	}
	s.records = view(ctx, db, func(v *foreign.View, yield yielder) error {
		e := engram{s: s, v: v, yield: yield, projects: projects{}}
		if err := e.sessions(); err != nil {
			return err
		}
		if err := e.observations(); err != nil {
			return err
		}
		return e.prompts()
	})
	return nil
}

type engram struct {
	s        *Source
	v        *foreign.View
	yield    yielder
	projects projects
}

// engramTypes maps engram's types, which are free text, to those of memories. What
// is not here is knowledge.
var engramTypes = map[string]atocore.MemoryType{
	"preference":   atocore.Preference,
	"decision":     atocore.ProjectMemory,
	"architecture": atocore.ProjectMemory,
	"design":       atocore.ProjectMemory,
	"config":       atocore.ProjectMemory,
	"pattern":      atocore.ProjectMemory,

	"bugfix":          atocore.Episodic,
	"feature":         atocore.Episodic,
	"refactor":        atocore.Episodic,
	"file_change":     atocore.Episodic,
	"command":         atocore.Episodic,
	"session_summary": atocore.Episodic,
}

// typed is the type that a program's own word stands for. Nothing is true of a
// project that is not named.
func typed(table map[string]atocore.MemoryType, word, project string) atocore.MemoryType {
	t, known := table[strings.ToLower(strings.TrimSpace(word))]
	if !known || t == atocore.ProjectMemory && project == "" {
		return atocore.Knowledge
	}
	return t
}

// sessions yields each session's summary as what happened then.
func (e *engram) sessions() error {
	for row, err := range e.v.Rows(engramSessions) {
		if err != nil {
			return err
		}
		project, err := e.projects.yield(e.s, row.Text("project"), e.yield)
		if err != nil {
			return err
		}
		id := row.Text("id")
		key := e.s.key("session", id)
		if column, size := row.TooLong(); column != "" {
			e.s.skip(key, tooLong(column, size))
			continue
		}
		summary := strings.TrimSpace(row.Text("summary"))
		if summary == "" {
			continue // nothing was said of it
		}
		m := atocore.Memory{
			Type: atocore.Episodic, Project: project, Content: summary, Tags: []string{"session_summary"},
			Metadata:   e.s.metadata(key, filled(map[string]string{"directory": row.Text("directory")})),
			Provenance: atocore.Provenance{Client: "engram", Session: line(id), Source: line("engram:session/" + id)},
			ValidFrom:  moment(row.Text("started_at")),
			CreatedAt:  firstTime(moment(row.Text("ended_at")), moment(row.Text("started_at"))),
		}
		if err := e.yield(e.s.statement(statement{memory: m, key: key, title: "Session " + id, path: "sessions/" + docPath(id) + ".md"})); err != nil {
			return err
		}
	}
	return nil
}

// observations yields what is not deleted.
func (e *engram) observations() error {
	for row, err := range e.v.Rows(engramObservations) {
		if err != nil {
			return err
		}
		if row.Text("deleted_at") != "" {
			continue
		}
		project, err := e.projects.yield(e.s, row.Text("project"), e.yield)
		if err != nil {
			return err
		}
		// IDs are of one database; with the time and the session nobody else's is
		// taken for it.
		id := strconv.FormatInt(row.Int("id"), 10)
		key := e.s.key("observation", id, row.Text("created_at"), row.Text("session_id"))
		if column, size := row.TooLong(); column != "" {
			e.s.skip(key, tooLong(column, size))
			continue
		}
		content := titled(row.Text("title"), row.Text("content"))
		if content == "" {
			e.s.skip(key, "has no text")
			continue
		}
		m := atocore.Memory{
			Type: typed(engramTypes, row.Text("type"), project), Project: project, Content: content,
			Tags: e.s.tags(key, row.Text("type")),
			Metadata: e.s.metadata(key, filled(map[string]string{
				"scope": row.Text("scope"), "topic_key": row.Text("topic_key"), "tool": row.Text("tool_name"),
			})),
			Provenance: atocore.Provenance{Client: "engram", Session: line(row.Text("session_id")), Source: "engram:observation/" + id},
			CreatedAt:  moment(row.Text("created_at")),
		}
		if m.Type == atocore.Episodic {
			m.ValidFrom = m.CreatedAt
		}
		if err := e.yield(e.s.statement(statement{memory: m, key: key, title: row.Text("title"), path: "observations/" + id + ".md"})); err != nil {
			return err
		}
	}
	return nil
}

func (e *engram) prompts() error {
	for row, err := range e.v.Rows(engramPrompts) {
		if err != nil {
			return err
		}
		project, err := e.projects.yield(e.s, row.Text("project"), e.yield)
		if err != nil {
			return err
		}
		id := strconv.FormatInt(row.Int("id"), 10)
		key := e.s.key("prompt", id, row.Text("created_at"), row.Text("session_id"))
		i := atocore.Interaction{
			Project: project, Session: line(row.Text("session_id")), Client: "engram",
			Turn: line("engram:prompt/" + id + "/" + row.Text("created_at")), CreatedAt: moment(row.Text("created_at")),
		}
		if err := e.s.prompt(i, key, row, "content", e.yield); err != nil {
			return err
		}
	}
	return nil
}

// prompt yields an interaction that has the column as its prompt.
func (s *Source) prompt(i atocore.Interaction, key string, row foreign.Row, column string, yield yielder) error {
	if c, size := row.TooLong(); c != "" {
		s.skip(key, tooLong(c, size))
		return nil
	}
	i.Prompt = s.text(key, row.Text(column))
	switch {
	case strings.TrimSpace(i.Prompt) == "":
		s.skip(key, "has no text")
		return nil
	case len(i.Prompt) > atocore.MaxInteractionBytes:
		s.skip(key, "has "+strconv.Itoa(len(i.Prompt))+" bytes, more than "+strconv.Itoa(atocore.MaxInteractionBytes))
		return nil
	}
	return yield(atocore.Record{Interaction: &i, Key: key})
}
