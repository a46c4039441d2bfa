package mcpserver

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/atocore/atocore"
)

type rememberInput struct {
	Type       atocore.MemoryType `json:"type" jsonschema:"identity: who somebody is; preference: how they want things; project: what is true of a project; episodic: what happened; knowledge: what is true of the world; adaptation: what was learnt about how to work"`
	Content    string             `json:"content" jsonschema:"one statement that is clear on its own"`
	Project    *string            `json:"project,omitempty" jsonschema:"as in search; \"\" for what holds everywhere"`
	Tags       []string           `json:"tags,omitempty"`
	Confidence *float64           `json:"confidence,omitempty" jsonschema:"above 0, to 1"`
	Source     string             `json:"source,omitempty" jsonschema:"what to cite: a URL, a path"`
}

type memoryOutput struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Status     atocore.Status `json:"status"`
	Project    string         `json:"project,omitempty"`
	Reinforced int            `json:"reinforced,omitempty"` // above 0 where it was known already
}

func memoryOf(m *atocore.Memory) memoryOutput {
	return memoryOutput{ID: m.ID, Type: string(m.Type), Status: m.Status, Project: line(m.Project, maxName), Reinforced: m.Reinforced}
}

func (o *memoryOutput) String() string {
	s := o.Type + " " + o.ID
	if o.Project != "" {
		s += fmt.Sprintf(" of project %q", o.Project)
	}
	return s
}

func (s *server) remember(ctx context.Context, req *mcp.CallToolRequest, in rememberInput) (string, memoryOutput, error) {
	m := atocore.Memory{
		Type: in.Type, Content: in.Content, Tags: in.Tags,
		Provenance: atocore.Provenance{Client: clientName(req), Source: in.Source},
	}
	if in.Confidence != nil {
		if m.Confidence = *in.Confidence; m.Confidence == 0 { // which the library would take for not given
			return "", memoryOutput{}, &atocore.InvalidError{Field: "confidence", Reason: "is 0", Hint: "a statement that nobody believes is not remembered"}
		}
	}
	var err error
	if m.Project, err = s.projectToWrite(ctx, req, in.Project); err != nil {
		return "", memoryOutput{}, err
	}
	if m, err = s.store.Remember(ctx, m); err != nil {
		return "", memoryOutput{}, err
	}
	out := memoryOf(&m)
	if out.Reinforced > 0 {
		return "Known already, and reinforced: " + out.String(), out, nil
	}
	return "Remembered: " + out.String(), out, nil
}

type correctInput struct {
	ID          string `json:"id" jsonschema:"of the memory, from search or context"`
	Replacement string `json:"replacement,omitempty" jsonschema:"the statement that is true instead"`
	Reason      string `json:"reason,omitempty" jsonschema:"why it is wrong"`
}

func (s *server) correct(ctx context.Context, req *mcp.CallToolRequest, in correctInput) (string, memoryOutput, error) {
	id := strings.TrimPrefix(in.ID, string(atocore.KindMemory)+":") // as packs cite it
	switch {
	case (in.Replacement == "") == (in.Reason == ""):
		return "", memoryOutput{}, &atocore.InvalidError{Field: "replacement", Reason: "and reason are both given, or neither is", Hint: "give a replacement to supersede the memory, or a reason to withdraw it"}
	case in.Replacement == "":
		m, err := s.store.Invalidate(ctx, id, in.Reason)
		if err != nil {
			return "", memoryOutput{}, err
		}
		out := memoryOf(&m)
		return "Withdrawn: " + out.String(), out, nil
	}
	m, err := s.store.Supersede(ctx, id, atocore.Memory{Content: in.Replacement, Provenance: atocore.Provenance{Client: clientName(req)}})
	if err != nil {
		return "", memoryOutput{}, err
	}
	out := memoryOf(&m)
	return "Superseded " + line(id, maxName) + " by " + out.String(), out, nil
}

// An action is what project_state does.
type action string

const (
	actionList  action = "list"
	actionSet   action = "set"
	actionUnset action = "unset"
)

type stateInput struct {
	Action   action  `json:"action"`
	Project  *string `json:"project,omitempty" jsonschema:"as in search"`
	Category string  `json:"category,omitempty" jsonschema:"general where it is not given; of list: only this one"`
	Key      string  `json:"key,omitempty" jsonschema:"of set and unset"`
	Value    string  `json:"value,omitempty" jsonschema:"of set"`
}

type stateOutput struct {
	About   string       `json:"about"`
	Entries []stateEntry `json:"entries"` // what was listed or is unset
	ID      string       `json:"id,omitempty"`
}

// A stateEntry is one as it may be shown.
type stateEntry struct {
	Project  string `json:"project"`
	Category string `json:"category"`
	Key      string `json:"key"`
	Value    string `json:"value"`
	Source   string `json:"source,omitempty"`
}

func (s *server) state(ctx context.Context, req *mcp.CallToolRequest, in stateInput) (string, stateOutput, error) {
	which := s.project
	if in.Action == actionSet {
		which = s.projectToWrite
	}
	project, err := which(ctx, req, in.Project)
	if err != nil {
		return "", stateOutput{}, err
	}
	switch in.Action {
	case actionSet:
		e, err := s.store.SetState(ctx, atocore.StateEntry{Project: project, Category: in.Category, Key: in.Key, Value: in.Value})
		if err != nil {
			return "", stateOutput{}, err
		}
		_, out := quoteState(nil, 0)
		out.ID = e.ID
		return "Set: state " + e.ID, out, nil
	case actionUnset:
		e, err := s.store.UnsetState(ctx, project, in.Category, in.Key)
		if err != nil {
			return "", stateOutput{}, err
		}
		text, out := quoteState([]atocore.StateEntry{e}, 0)
		return "Unset, with its history kept:\n\n" + text, out, nil
	}
	list, err := s.store.State(ctx, atocore.StateFilter{Project: project, Category: in.Category})
	if err != nil {
		return "", stateOutput{}, err
	}
	text, out := quoteState(list, maxValue)
	return cmp.Or(text, "No facts are set.\n"), out, nil
}

// quoteState is a list of entries as text and as data. most bounds each value, in
// characters; 0 does not.
func quoteState(list []atocore.StateEntry, most int) (string, stateOutput) {
	hits := make([]atocore.Hit, len(list))
	out := stateOutput{About: atocore.QuotesNote, Entries: []stateEntry{}}
	for i := range list {
		e := &list[i]
		hits[i] = e.Hit()
		value := []rune(atocore.Visible(e.Value))
		if most > 0 && len(value) > most {
			value = append(value[:most], '…')
		}
		out.Entries = append(out.Entries, stateEntry{
			Project: line(e.Project, maxName), Category: line(e.Category, maxName), Key: line(e.Key, maxName),
			Value: string(value), Source: line(e.Source, maxNote),
		})
	}
	return atocore.QuoteHits(hits, most).String(), out
}
