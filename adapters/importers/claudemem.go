package importers

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/foreign"
)

// Older versions called the two IDs of a session claude_session_id and
// sdk_session_id.
var (
	claudeSessions = foreign.Table{
		Name: "sdk_sessions", Need: []string{"id", "project"},
		Want: []string{
			"content_session_id", "claude_session_id", "memory_session_id", "sdk_session_id", "platform_source", "user_prompt",
			"started_at", "started_at_epoch",
		},
		Order: []string{"id"},
	}
	claudeObservations = foreign.Table{
		Name: "observations", Need: []string{"id", "project", "type"},
		Want: []string{
			"memory_session_id", "sdk_session_id", "merged_into_project", "title", "subtitle", "narrative", "text", "facts", "concepts",
			"files_read", "files_modified", "metadata", "created_at", "created_at_epoch",
		},
		Order: []string{"id"},
	}
	claudeSummaries = foreign.Table{
		Name: "session_summaries", Need: []string{"id", "project"},
		Want: []string{
			"memory_session_id", "sdk_session_id", "merged_into_project", "request", "investigated", "learned", "completed", "next_steps", "notes",
			"files_read", "files_edited", "created_at", "created_at_epoch",
		},
		Order: []string{"id"},
	}
	claudePrompts = foreign.Table{
		Name: "user_prompts", Need: []string{"id", "prompt_text"},
		Want:  []string{"session_db_id", "content_session_id", "claude_session_id", "prompt_number", "created_at", "created_at_epoch"},
		Order: []string{"id"},
	}
)

func openClaudeMem(ctx context.Context, s *Source, path string, o *Options) error {
	db, err := s.database(ctx, path, o, claudeSessions, claudeObservations, claudeSummaries)
	if err != nil {
		return err
	}
	s.records = view(ctx, db, func(v *foreign.View, yield yielder) error {
		c := claudeMem{
			s: s, v: v, yield: yield, projects: projects{},
			byMemory: map[string]*claudeSession{}, byContent: map[string]*claudeSession{}, byRow: map[int64]*claudeSession{},
		}
		for _, read := range []func() error{c.sessions, c.observations, c.summaries, c.prompts, c.firstPrompts} {
			if err := read(); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

type claudeMem struct {
	s         *Source
	v         *foreign.View
	yield     yielder
	projects  projects
	byMemory  map[string]*claudeSession // by memory_session_id
	byContent map[string]*claudeSession // by content_session_id
	byRow     map[int64]*claudeSession
}

type claudeSession struct {
	id       string // as the coding tool calls it
	project  string
	platform string
	prompts  int // how many there are rows of
}

// claudeTypes maps claude-mem's types to those of memories. What is not here is
// knowledge.
var claudeTypes = map[string]atocore.MemoryType{
	"decision": atocore.ProjectMemory,
	"bugfix":   atocore.Episodic,
	"feature":  atocore.Episodic,
	"refactor": atocore.Episodic,
	"change":   atocore.Episodic,
}

func firstText(row foreign.Row, columns ...string) string {
	for _, c := range columns {
		if t := row.Text(c); t != "" {
			return t
		}
	}
	return ""
}

func (c *claudeMem) sessions() error {
	for row, err := range c.v.Rows(claudeSessions) {
		if err != nil {
			return err
		}
		memory := firstText(row, "memory_session_id", "sdk_session_id")
		content := firstText(row, "content_session_id", "claude_session_id")
		se := &claudeSession{id: line(content), project: row.Text("project"), platform: row.Text("platform_source")}
		if se.id == "" {
			se.id = line(memory)
		}
		c.byRow[row.Int("id")] = se
		c.byMemory[memory] = se
		if _, known := c.byContent[content]; !known { // unique with the platform alone
			c.byContent[content] = se
		}
		if _, err := c.projects.yield(c.s, se.project, c.yield); err != nil {
			return err
		}
	}
	return nil
}

// session finds the session of an observation or a summary.
func (c *claudeMem) session(row foreign.Row) *claudeSession {
	id := firstText(row, "memory_session_id", "sdk_session_id")
	if se := c.byMemory[id]; se != nil {
		return se
	}
	return &claudeSession{id: line(id)}
}

func created(row foreign.Row) time.Time {
	return firstTime(millis(row.Int("created_at_epoch")), moment(row.Text("created_at")))
}

// id identifies a row: IDs are of one database, and with the time nobody else's is
// taken for it.
func (c *claudeMem) id(kind string, row foreign.Row) (id, key string) {
	id = strconv.FormatInt(row.Int("id"), 10)
	return id, c.s.key(kind, id, firstText(row, "created_at_epoch", "created_at"))
}

func (c *claudeMem) observations() error {
	for row, err := range c.v.Rows(claudeObservations) {
		if err != nil {
			return err
		}
		project, err := c.projects.yield(c.s, firstText(row, "merged_into_project", "project"), c.yield)
		if err != nil {
			return err
		}
		id, key := c.id("observation", row)
		if column, size := row.TooLong(); column != "" {
			c.s.skip(key, tooLong(column, size))
			continue
		}
		content := observationText(row)
		if content == "" {
			c.s.skip(key, "has no text")
			continue
		}
		se := c.session(row)
		m := atocore.Memory{
			Type: typed(claudeTypes, row.Text("type"), project), Project: project, Content: content,
			Tags:       c.s.tags(key, append([]string{row.Text("type")}, jsonList(row.Text("concepts"))...)...),
			Metadata:   c.s.metadata(key, observationMetadata(row, se)),
			Provenance: atocore.Provenance{Client: "claude-mem", Session: se.id, Source: "claude-mem:observation/" + id},
			CreatedAt:  created(row),
		}
		if m.Type == atocore.Episodic {
			m.ValidFrom = m.CreatedAt
		}
		if err := c.yield(c.s.statement(statement{memory: m, key: key, title: row.Text("title"), path: "observations/" + id + ".md"})); err != nil {
			return err
		}
	}
	return nil
}

// observationText is what an observation says, each thing once.
func observationText(row foreign.Row) string {
	text := strings.TrimSpace(row.Text("title"))
	add := func(part string) {
		part = strings.TrimSpace(part)
		switch {
		case part == "" || strings.Contains(text, part):
		case strings.HasPrefix(part, text): // or the text is empty
			text = part
		default:
			text += "\n" + part
		}
	}
	if subtitle := row.Text("subtitle"); subtitle != "Manual memory" { // which the program gives by itself
		add(subtitle)
	}
	add(row.Text("narrative"))
	add(row.Text("text"))
	for _, fact := range jsonList(row.Text("facts")) {
		if fact = strings.TrimSpace(fact); fact != "" {
			add("- " + fact)
		}
	}
	return text
}

func observationMetadata(row foreign.Row, se *claudeSession) map[string]string {
	m := filled(map[string]string{
		"files_read":     strings.Join(jsonList(row.Text("files_read")), "\n"),
		"files_modified": strings.Join(jsonList(row.Text("files_modified")), "\n"),
		"platform":       se.platform,
	})
	own := row.Text("metadata")
	dec := json.NewDecoder(strings.NewReader(own))
	dec.UseNumber()
	var given map[string]any
	if dec.Decode(&given) != nil {
		if strings.TrimSpace(own) != "" {
			m["metadata"] = own
		}
		return m
	}
	for k, v := range given {
		if _, taken := m[k]; taken {
			k = "metadata." + k
		}
		if v != nil {
			m[k] = jsonText(v)
		}
	}
	return m
}

// jsonList is the texts of a JSON array in a text column. What is no array is one
// text.
func jsonList(column string) []string {
	if column = strings.TrimSpace(column); column == "" {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(column))
	dec.UseNumber()
	var list []any
	if dec.Decode(&list) != nil {
		return []string{column}
	}
	var out []string
	for _, v := range list {
		if v != nil {
			out = append(out, jsonText(v))
		}
	}
	return out
}

// summaryParts are the columns of a summary and what stands before each.
var summaryParts = [][2]string{
	{"request", "Request"}, {"investigated", "Investigated"}, {"learned", "Learned"},
	{"completed", "Completed"}, {"next_steps", "Next steps"}, {"notes", "Notes"},
}

func (c *claudeMem) summaries() error {
	for row, err := range c.v.Rows(claudeSummaries) {
		if err != nil {
			return err
		}
		project, err := c.projects.yield(c.s, firstText(row, "merged_into_project", "project"), c.yield)
		if err != nil {
			return err
		}
		id, key := c.id("summary", row)
		if column, size := row.TooLong(); column != "" {
			c.s.skip(key, tooLong(column, size))
			continue
		}
		var parts []string
		for _, p := range summaryParts {
			if t := strings.TrimSpace(row.Text(p[0])); t != "" {
				parts = append(parts, p[1]+": "+t)
			}
		}
		if len(parts) == 0 {
			c.s.skip(key, "has no text")
			continue
		}
		se := c.session(row)
		m := atocore.Memory{
			Type: atocore.Episodic, Project: project, Content: strings.Join(parts, "\n"), Tags: []string{"session_summary"},
			Metadata: c.s.metadata(key, filled(map[string]string{
				"files_read":     strings.Join(jsonList(row.Text("files_read")), "\n"),
				"files_modified": strings.Join(jsonList(row.Text("files_edited")), "\n"),
				"platform":       se.platform,
			})),
			Provenance: atocore.Provenance{Client: "claude-mem", Session: se.id, Source: "claude-mem:summary/" + id},
			CreatedAt:  created(row),
		}
		m.ValidFrom = m.CreatedAt
		if err := c.yield(c.s.statement(statement{memory: m, key: key, title: row.Text("request"), path: "summaries/" + id + ".md"})); err != nil {
			return err
		}
	}
	return nil
}

func (c *claudeMem) prompts() error {
	if !c.v.Has(claudePrompts.Name) {
		return nil // an older version
	}
	for row, err := range c.v.Rows(claudePrompts) {
		if err != nil {
			return err
		}
		se := c.byRow[row.Int("session_db_id")]
		content := firstText(row, "content_session_id", "claude_session_id")
		if se == nil {
			se = c.byContent[content]
		}
		if se == nil {
			se = &claudeSession{id: line(content)}
		}
		se.prompts++
		id, key := c.id("prompt", row)
		i := c.interaction(se, "prompt/"+id+"/"+firstText(row, "created_at_epoch", "created_at"))
		i.CreatedAt = created(row)
		if err := c.s.prompt(i, key, row, "prompt_text", c.yield); err != nil {
			return err
		}
	}
	return nil
}

func (c *claudeMem) interaction(se *claudeSession, turn string) atocore.Interaction {
	i := atocore.Interaction{Project: line(se.project), Session: se.id, Client: "claude-mem", Turn: line("claude-mem:" + turn)}
	if se.platform != "" {
		i.Metadata = c.s.metadata(turn, map[string]string{"platform": se.platform})
	}
	return i
}

// firstPrompts yields what began a session, where there are no rows of its prompts.
func (c *claudeMem) firstPrompts() error {
	for row, err := range c.v.Rows(claudeSessions) {
		if err != nil {
			return err
		}
		se := c.byRow[row.Int("id")]
		if se == nil || se.prompts > 0 || row.Text("user_prompt") == "" {
			continue
		}
		id := strconv.FormatInt(row.Int("id"), 10)
		i := c.interaction(se, "session/"+id)
		i.CreatedAt = firstTime(millis(row.Int("started_at_epoch")), moment(row.Text("started_at")))
		if err := c.s.prompt(i, c.s.key("session", id, i.Session), row, "user_prompt", c.yield); err != nil {
			return err
		}
	}
	return nil
}
