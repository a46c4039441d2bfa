package httpapi

import (
	"context"
	"iter"
	"time"

	"github.com/atocore/atocore"
)

type provenanceInput struct {
	Client  string `json:"client,omitempty" doc:"The program it was said in."`
	Session string `json:"session,omitempty" doc:"The conversation it was said in."`
	Speaker string `json:"speaker,omitempty" doc:"Who said it; searched with the text."`
	Source  string `json:"source,omitempty" doc:"What to cite: a URL, a path, a record's ID."`
}

func (p provenanceInput) provenance() atocore.Provenance {
	return atocore.Provenance{Client: p.Client, Session: p.Session, Speaker: p.Speaker, Source: p.Source}
}

type memoryInput struct {
	Type       string            `json:"type" enum:"identity,preference,project,episodic,knowledge,adaptation" doc:"What kind of statement it is."`
	Content    string            `json:"content" doc:"The statement, at most 64 KiB."`
	Project    string            `json:"project,omitempty" doc:"A project's name or alias; none is global."`
	Status     string            `json:"status,omitempty" enum:"active,candidate" doc:"A candidate is not retrieved before it is accepted. The default is active."`
	Confidence *float64          `json:"confidence,omitempty" exclusiveMinimum:"0" maximum:"1" doc:"How sure it is. The default is 1."`
	Tags       []string          `json:"tags,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Provenance provenanceInput   `json:"provenance,omitzero"`
	ValidFrom  time.Time         `json:"valid_from,omitzero" doc:"When it begins to be true."`
	ValidUntil time.Time         `json:"valid_until,omitzero" doc:"When it stops being true."`
}

type supersedeInput struct {
	Content    string            `json:"content" doc:"The corrected statement."`
	Type       string            `json:"type,omitempty" enum:"identity,preference,project,episodic,knowledge,adaptation" doc:"The default is the old one's, as of all that follows but metadata and source."`
	Project    string            `json:"project,omitempty"`
	Confidence *float64          `json:"confidence,omitempty" exclusiveMinimum:"0" maximum:"1"`
	Tags       []string          `json:"tags,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	Provenance provenanceInput   `json:"provenance,omitzero"`
	ValidFrom  time.Time         `json:"valid_from,omitzero" doc:"When it begins to be true; the default is now."`
}

// number is the value of a number that may be left out.
func number(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

// nothing is a body with nothing in it, which may be left out.
type nothing struct{}

type recordID struct {
	ID string `path:"id" doc:"The record's ID."`
}

type memoriesDoc struct {
	Memories []atocore.Memory `json:"memories"`
	More     bool             `json:"more,omitempty" doc:"Whether there are more than fit into the answer."`
}

type candidatesDoc struct {
	Candidates []atocore.Memory `json:"candidates"`
	More       bool             `json:"more,omitempty" doc:"Whether there are more than fit into the answer."`
}

type memoryDoc struct {
	Kind string `json:"kind" enum:"memory"`
	atocore.Memory
}

type historyDoc struct {
	ID      string                 `json:"id"`
	History []atocore.JournalEntry `json:"history"`
}

type forgottenDoc struct {
	Forgotten []atocore.Forgotten `json:"forgotten"`
}

func (s *server) memoryRoutes() {
	const tag = "memories"
	add(s, operation{route: "POST /memories", id: "remember", tag: tag, write: true, errors: []int{404, 409},
		doc: "Remember a statement. Saying again what is remembered reinforces that memory."},
		func(ctx context.Context, in *struct{ Body memoryInput }) (atocore.Memory, error) {
			b := in.Body
			return s.store.Remember(ctx, atocore.Memory{
				Type: atocore.MemoryType(b.Type), Content: b.Content, Project: b.Project, Status: atocore.Status(b.Status),
				Confidence: number(b.Confidence), Tags: b.Tags, Metadata: b.Metadata, Provenance: b.Provenance.provenance(),
				ValidFrom: b.ValidFrom, ValidUntil: b.ValidUntil,
			})
		})
	type listInput struct {
		Project string               `query:"project" doc:"Only of this project, by name or alias."`
		Types   []atocore.MemoryType `query:"type,explode" doc:"Only of this type; may be repeated."`
		Status  []string             `query:"status,explode" doc:"Of this status, or all; may be repeated. The default is active."`
		Tags    []string             `query:"tag,explode" doc:"Only with this tag; repeated, with all of them."`
		AsOf    time.Time            `query:"as_of" doc:"As the store stood at that time."`
		Limit   int                  `query:"limit" default:"1000" minimum:"1" maximum:"10000" doc:"At most so many, newest first."`
	}
	add(s, operation{route: "GET /memories", id: "list-memories", tag: tag, errors: []int{404}, doc: "List memories, newest first."},
		func(ctx context.Context, in *listInput) (memoriesDoc, error) {
			return s.memories(ctx, in.Limit, atocore.MemoryFilter{
				Project: in.Project, Types: in.Types, Statuses: statuses(in.Status), Tags: in.Tags, AsOf: in.AsOf,
			})
		})
	add(s, operation{route: "GET /memories/{id}", id: "get-memory", tag: tag, errors: []int{404}, doc: "A memory, whatever its status."},
		func(ctx context.Context, in *recordID) (memoryDoc, error) {
			m, err := s.store.Memory(ctx, in.ID)
			return memoryDoc{"memory", m}, err
		})
	type reviseInput struct {
		ID   string `path:"id" doc:"The record's ID."`
		Body struct {
			Content string `json:"content" doc:"Its new words."`
		}
	}
	add(s, operation{route: "PATCH /memories/{id}", id: "revise-memory", tag: tag, write: true, errors: []int{404, 409},
		doc: "Change the words of a memory. Where the statement itself has changed, supersede it."},
		func(ctx context.Context, in *reviseInput) (atocore.Memory, error) {
			return s.store.Revise(ctx, in.ID, in.Body.Content)
		})
	type forgetInput struct {
		ID     string `path:"id" doc:"The record's ID."`
		Reason string `query:"reason" doc:"Why. It stays, so it should not repeat the content."`
	}
	add(s, operation{route: "DELETE /memories/{id}", id: "forget-memory", tag: tag, write: true, errors: []int{404, 409},
		doc: "Remove a memory for good, history included. To correct one, supersede or invalidate it."},
		func(ctx context.Context, in *forgetInput) (forgottenDoc, error) {
			if _, err := s.store.Memory(ctx, in.ID); err != nil {
				return forgottenDoc{}, err
			}
			return s.forget(ctx, in.ID, in.Reason)
		})
	change := func(name, doc string, run func(context.Context, string) (atocore.Memory, error)) {
		type input struct {
			ID   string `path:"id" doc:"The record's ID."`
			Body *nothing
		}
		add(s, operation{route: "POST /memories/{id}/" + name, id: name + "-memory", tag: tag, write: true, errors: []int{404, 409}, doc: doc},
			func(ctx context.Context, in *input) (atocore.Memory, error) { return run(ctx, in.ID) })
	}
	change("promote", "Make a candidate active.", s.store.Promote)
	change("reinforce", "Say that a memory still holds.", s.store.Reinforce)
	type supersede struct {
		ID   string `path:"id" doc:"The record's ID."`
		Body supersedeInput
	}
	add(s, operation{route: "POST /memories/{id}/supersede", id: "supersede-memory", tag: tag, write: true, errors: []int{404, 409},
		doc: "Replace a memory by a corrected one, which is the answer. The old one stays, for history."},
		func(ctx context.Context, in *supersede) (atocore.Memory, error) {
			b := in.Body
			return s.store.Supersede(ctx, in.ID, atocore.Memory{
				Type: atocore.MemoryType(b.Type), Content: b.Content, Project: b.Project, Confidence: number(b.Confidence),
				Tags: b.Tags, Metadata: b.Metadata, Provenance: b.Provenance.provenance(), ValidFrom: b.ValidFrom,
			})
		})
	type invalidate struct {
		ID   string `path:"id" doc:"The record's ID."`
		Body struct {
			Reason string `json:"reason" doc:"Why it is wrong."`
		}
	}
	add(s, operation{route: "POST /memories/{id}/invalidate", id: "invalidate-memory", tag: tag, write: true, errors: []int{404, 409},
		doc: "Mark a memory as wrong."},
		func(ctx context.Context, in *invalidate) (atocore.Memory, error) {
			return s.store.Invalidate(ctx, in.ID, in.Body.Reason)
		})
	add(s, operation{route: "GET /memories/{id}/history", id: "memory-history", tag: tag, errors: []int{404},
		doc: "What happened to a memory, oldest first, also after it was forgotten."},
		func(ctx context.Context, in *recordID) (historyDoc, error) {
			h, err := s.store.History(ctx, in.ID)
			return historyDoc{in.ID, h}, err
		})
}

func (s *server) candidateRoutes() {
	const tag = "candidates"
	type listInput struct {
		Project string               `query:"project" doc:"Only of this project, by name or alias."`
		Types   []atocore.MemoryType `query:"type,explode" doc:"Only of this type; may be repeated."`
		Limit   int                  `query:"limit" default:"1000" minimum:"1" maximum:"10000" doc:"At most so many, newest first."`
	}
	add(s, operation{route: "GET /candidates", id: "list-candidates", tag: tag, errors: []int{404},
		doc: "List the memories that wait for somebody to accept them, newest first."},
		func(ctx context.Context, in *listInput) (candidatesDoc, error) {
			doc, err := s.memories(ctx, in.Limit, atocore.MemoryFilter{Project: in.Project, Types: in.Types, Statuses: []atocore.Status{atocore.Candidate}})
			return candidatesDoc{doc.Memories, doc.More}, err
		})
	type editInput struct {
		Type    string  `json:"type,omitempty" enum:"identity,preference,project,episodic,knowledge,adaptation"`
		Content string  `json:"content,omitempty"`
		Project *string `json:"project,omitempty" doc:"Empty is global."`
	}
	type accept struct {
		ID   string `path:"id" doc:"The record's ID."`
		Body *editInput
	}
	add(s, operation{route: "POST /candidates/{id}/accept", id: "accept-candidate", tag: tag, write: true, errors: []int{404, 409},
		doc: "Make a candidate active, changed as the body says."},
		func(ctx context.Context, in *accept) (atocore.Memory, error) {
			if in.Body == nil {
				return s.store.Accept(ctx, in.ID, nil)
			}
			return s.store.Accept(ctx, in.ID, &atocore.Edit{Type: atocore.MemoryType(in.Body.Type), Content: in.Body.Content, Project: in.Body.Project})
		})
	type rejectInput struct {
		Reason string `json:"reason,omitempty" doc:"Why."`
	}
	type reject struct {
		ID   string `path:"id" doc:"The record's ID."`
		Body *rejectInput
	}
	add(s, operation{route: "POST /candidates/{id}/reject", id: "reject-candidate", tag: tag, write: true, errors: []int{404, 409},
		doc: "Reject a candidate, for good: it is not proposed again."},
		func(ctx context.Context, in *reject) (atocore.Memory, error) {
			reason := ""
			if in.Body != nil {
				reason = in.Body.Reason
			}
			return s.store.Reject(ctx, in.ID, reason)
		})
}

func (s *server) memories(ctx context.Context, limit int, f atocore.MemoryFilter) (doc memoriesDoc, err error) {
	f.Limit = limit + 1 // to know whether there are more
	doc.Memories, doc.More, err = collect(s.store.Memories(ctx, f), limit, func(m atocore.Memory) int { return len(m.Content) })
	return doc, err
}

func (s *server) forget(ctx context.Context, id, reason string) (forgottenDoc, error) {
	f, err := s.store.Forget(ctx, reason, id)
	return forgottenDoc{f}, err
}

// statuses are those that a query asks for.
func statuses(asked []string) []atocore.Status {
	var out []atocore.Status
	for _, a := range asked {
		if a == "all" {
			return []atocore.Status{atocore.Candidate, atocore.Active, atocore.Superseded, atocore.Invalid}
		}
		out = append(out, atocore.Status(a))
	}
	return out
}

// maxListing bounds the texts of one listing, in bytes: an answer is made in memory.
const maxListing = 32 << 20

// collect takes what fits into one answer.
func collect[T any](seq iter.Seq2[T, error], limit int, size func(T) int) (list []T, more bool, err error) {
	list = []T{}
	total := 0
	for v, err := range seq {
		if err != nil {
			return nil, false, err
		}
		if total += size(v); len(list) == limit || len(list) > 0 && total > maxListing {
			return list, true, nil
		}
		list = append(list, v)
	}
	return list, false, nil
}
