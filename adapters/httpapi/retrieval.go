package httpapi

import (
	"context"
	"time"

	"github.com/atocore/atocore"
)

type searchInput struct {
	Query    string    `json:"query" doc:"What to look for, in any words; it has no syntax."`
	Mode     string    `json:"mode,omitempty" enum:"hybrid,text,vector" doc:"The default is hybrid."`
	Limit    int       `json:"limit,omitempty" minimum:"1" maximum:"1000" doc:"At most so many. The default is 10."`
	Project  string    `json:"project,omitempty" doc:"Of this project, by name or alias, and of none."`
	Kinds    []string  `json:"kinds,omitempty" doc:"Only these kinds: memory, state, chunk, interaction."`
	Types    []string  `json:"types,omitempty" doc:"Only memories of these types."`
	Statuses []string  `json:"statuses,omitempty" doc:"Memories of these statuses, or all. The default is active."`
	Tags     []string  `json:"tags,omitempty" doc:"Only with all of these tags."`
	After    time.Time `json:"after,omitzero" doc:"Only from that time on."`
	Before   time.Time `json:"before,omitzero" doc:"Only from before that time."`
	AsOf     time.Time `json:"as_of,omitzero" doc:"As the store stood at that time."`
	Weight   *float64  `json:"weight,omitempty" exclusiveMinimum:"0" maximum:"1" doc:"Share of the vectors in a hybrid search. The default is what the store measures."`
	Exact    bool      `json:"exact,omitempty" doc:"Compare every vector."`
	Explain  bool      `json:"explain,omitempty" doc:"Say how each score came about."`
}

type contextInput struct {
	Prompt       string    `json:"prompt" doc:"What the context is for."`
	Project      string    `json:"project,omitempty" doc:"The project that the prompt is about, by name or alias."`
	Budget       int       `json:"budget,omitempty" minimum:"1" doc:"What the pack may take, never exceeded. The default is 2000."`
	Unit         string    `json:"unit,omitempty" enum:"tokens,characters" doc:"What the budget counts. The default is tokens."`
	Format       string    `json:"format,omitempty" enum:"markdown,text,json" doc:"The pack's form. The default is markdown."`
	AsOf         time.Time `json:"as_of,omitzero" doc:"As the store stood at that time."`
	MinRelevance float64   `json:"min_relevance,omitempty" minimum:"0" maximum:"1" doc:"How relevant one record has to be; otherwise the pack is empty."`
}

func typed[T ~string](in []string) []T {
	var out []T
	for _, v := range in {
		out = append(out, T(v))
	}
	return out
}

func (s *server) retrievalRoutes() {
	const tag = "retrieval"
	retriever := s.store.Retriever(nil)
	add(s, operation{route: "POST /search", id: "search", tag: tag, body: roomFor(atocore.MaxQueryBytes), errors: []int{404, 409},
		doc: "Find what fits a question, best first."},
		func(ctx context.Context, in *struct{ Body searchInput }) (atocore.Results, error) {
			b := in.Body
			return retriever.Search(ctx, atocore.Query{
				Text: b.Query, Mode: atocore.Mode(b.Mode), Limit: b.Limit, Project: b.Project,
				Kinds: typed[atocore.Kind](b.Kinds), Types: typed[atocore.MemoryType](b.Types), Statuses: statuses(b.Statuses), Tags: b.Tags,
				After: b.After, Before: b.Before, AsOf: b.AsOf, Weight: number(b.Weight), Exact: b.Exact, Explain: b.Explain,
			})
		})
	add(s, operation{route: "POST /context", id: "context", tag: tag, body: roomFor(atocore.MaxQueryBytes), errors: []int{404, 409},
		doc: "Pack what fits a prompt into a budget, most trusted first, each line with its source."},
		func(ctx context.Context, in *struct{ Body contextInput }) (atocore.Pack, error) {
			b := in.Body
			return retriever.Context(ctx, atocore.ContextRequest{
				Prompt: b.Prompt, Project: b.Project, Budget: b.Budget, Unit: atocore.Unit(b.Unit),
				Format: atocore.Format(b.Format), AsOf: b.AsOf, MinRelevance: b.MinRelevance,
			})
		})
}
