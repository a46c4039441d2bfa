package mcpserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
)

// Bounds of what one call returns.
const (
	maxLimit    = 50      // hits
	maxLength   = 20_000  // characters of a text
	maxBudget   = 100_000 // tokens of a pack
	maxValue    = 2000    // characters of a fact in a list
	maxProjects = 100     // names
	maxName     = 60      // characters of a name
	maxNote     = 500     // characters of a note
)

type searchInput struct {
	Query   string         `json:"query" jsonschema:"any words; there is no syntax"`
	Project *string        `json:"project,omitempty" jsonschema:"name or alias; \"\" for all; else the default"`
	Kinds   []atocore.Kind `json:"kinds,omitempty" jsonschema:"chunk: of a document; interaction: a past prompt and answer"`
	Limit   int            `json:"limit,omitempty"`
	Length  int            `json:"length,omitempty" jsonschema:"characters of each text"`
}

type searchOutput struct {
	About string         `json:"about"`
	Hits  atocore.Quotes `json:"hits"`
	Notes []string       `json:"notes,omitempty"`
}

func (s *server) search(ctx context.Context, req *mcp.CallToolRequest, in searchInput) (string, searchOutput, error) {
	project, err := s.project(ctx, req, in.Project)
	if err != nil {
		return "", searchOutput{}, err
	}
	found, err := s.store.Retriever(nil).Search(ctx, atocore.Query{
		Text: in.Query, Project: project, Kinds: in.Kinds, Limit: in.Limit,
	})
	if err != nil {
		return "", searchOutput{}, err
	}
	out := searchOutput{About: atocore.QuotesNote, Hits: atocore.QuoteHits(found.Hits, in.Length)}
	var text strings.Builder
	if text.WriteString(out.Hits.String()); len(out.Hits) == 0 {
		text.WriteString("Nothing found.\n")
	}
	for _, e := range found.Elsewhere {
		found.Notes = append(found.Notes, fmt.Sprintf("project %q has %d that fit", line(e.Project, maxName), e.Matches))
	}
	out.Notes = notes(&text, found.Notes)
	return text.String(), out, nil
}

// notes adds the library's notes to a text, and returns them as they are shown.
func notes(text *strings.Builder, list []string) []string {
	var out []string
	for _, n := range list {
		n = line(n, maxNote)
		out = append(out, n)
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		fmt.Fprintf(text, "Note: %s.\n", strings.TrimSuffix(n, "."))
	}
	return out
}

type contextInput struct {
	Prompt  string  `json:"prompt" jsonschema:"what it is for"`
	Project *string `json:"project,omitempty" jsonschema:"as in search"`
	Budget  int     `json:"budget,omitempty" jsonschema:"tokens, never exceeded"`
}

type contextOutput struct {
	Text    string   `json:"text"`
	Tokens  int      `json:"tokens"`
	IDs     []string `json:"ids"` // of the records, in the order of their numbers
	Omitted int      `json:"omitted"`
	Notes   []string `json:"notes,omitempty"`
}

func (s *server) context(ctx context.Context, req *mcp.CallToolRequest, in contextInput) (string, contextOutput, error) {
	project, err := s.project(ctx, req, in.Project)
	if err != nil {
		return "", contextOutput{}, err
	}
	pack, err := s.store.Retriever(nil).Context(ctx, atocore.ContextRequest{Prompt: in.Prompt, Project: project, Budget: in.Budget})
	if err != nil {
		return "", contextOutput{}, err
	}
	out := contextOutput{Text: pack.Text, Tokens: pack.Tokens, IDs: []string{}, Omitted: len(pack.Omitted)}
	for _, it := range pack.Items {
		out.IDs = append(out.IDs, it.ID)
	}
	var text strings.Builder
	if text.WriteString(pack.Text); pack.Text == "" && out.Omitted == 0 {
		text.WriteString("Nothing is known for it.\n")
	}
	out.Notes = notes(&text, pack.Notes)
	return text.String(), out, nil
}

type statusOutput struct {
	Project      string     `json:"default_project"`
	Projects     []string   `json:"projects"` // at most maxProjects
	More         int        `json:"more_projects,omitempty"`
	Active       int        `json:"memories"`
	Candidates   int        `json:"candidates"`
	State        int        `json:"state"`
	Documents    int        `json:"documents"`
	Interactions int        `json:"interactions"`
	Pending      int        `json:"waiting_for_vectors"`
	Proven       *time.Time `json:"last_proven_restorable,omitempty"`
}

func (s *server) status(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (string, statusOutput, error) {
	project, err := s.project(ctx, req, nil)
	if err != nil {
		return "", statusOutput{}, err
	}
	stats, err := s.store.Stats(ctx)
	if err != nil {
		return "", statusOutput{}, err
	}
	projects, err := s.store.Projects(ctx)
	if err != nil {
		return "", statusOutput{}, err
	}
	out := statusOutput{
		Project: line(project, maxName), Projects: []string{},
		Active: stats.Memories[atocore.Active], Candidates: stats.Memories[atocore.Candidate],
		State: stats.State, Documents: stats.Documents, Interactions: stats.Interactions, Pending: stats.Pending, Proven: stats.LastProven,
	}
	for i, p := range projects {
		if i == maxProjects {
			out.More = len(projects) - i
			break
		}
		out.Projects = append(out.Projects, line(p.Name, maxName))
	}
	return "", out, nil
}
