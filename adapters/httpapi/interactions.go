package httpapi

import (
	"context"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/atocore/atocore"
)

type interactionInput struct {
	Prompt    string            `json:"prompt,omitempty" doc:"What was asked, at most 4 MiB."`
	Response  string            `json:"response,omitempty" doc:"What was answered, at most 4 MiB."`
	Project   string            `json:"project,omitempty" doc:"A project's name or alias; none is global."`
	Session   string            `json:"session,omitempty" doc:"The conversation."`
	Turn      string            `json:"turn,omitempty" doc:"The turn in it. The same one again changes nothing."`
	Client    string            `json:"client,omitempty" doc:"The program it happened in."`
	Metadata  map[string]string `json:"metadata,omitempty"`
	CreatedAt time.Time         `json:"created_at,omitzero" doc:"When it happened. The default is now."`
	Learn     bool              `json:"learn,omitempty" doc:"Clean it of secrets and of what atocore itself has put in, and propose candidates from it. The answer then says which."`
}

type interactionsDoc struct {
	Interactions []atocore.Interaction `json:"interactions"`
	More         bool                  `json:"more,omitempty" doc:"Whether there are more than fit into the answer."`
}

func (s *server) interactionRoutes() {
	const tag = "interactions"
	registry := s.api.OpenAPI().Components.Schemas
	add(s, operation{route: "POST /interactions", id: "capture", tag: tag, write: true, body: roomFor(2 * atocore.MaxInteractionBytes), errors: []int{404, 409},
		doc: "Record a prompt and its response, and with learn what follows from them.",
		responses: map[string]*huma.Response{"200": {Description: "The interaction as stored; with learn, what became of it",
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
				registry.Schema(reflect.TypeFor[atocore.Interaction](), true, ""),
				registry.Schema(reflect.TypeFor[atocore.Learnt](), true, ""),
			}}}}}}},
		func(ctx context.Context, in *struct{ Body interactionInput }) (any, error) {
			b := in.Body
			i := atocore.Interaction{
				Prompt: b.Prompt, Response: b.Response, Project: b.Project, Session: b.Session, Turn: b.Turn,
				Client: b.Client, Metadata: b.Metadata, CreatedAt: b.CreatedAt,
			}
			if b.Learn {
				return s.store.Learn(ctx, i)
			}
			return s.store.Capture(ctx, i)
		})
	type listInput struct {
		Project string `query:"project" doc:"Only of this project, by name or alias."`
		Session string `query:"session" doc:"Only of this conversation."`
		Client  string `query:"client" doc:"Only of this program."`
		Limit   int    `query:"limit" default:"1000" minimum:"1" maximum:"10000" doc:"At most so many, newest first."`
	}
	add(s, operation{route: "GET /interactions", id: "list-interactions", tag: tag, errors: []int{404}, doc: "List interactions, newest first."},
		func(ctx context.Context, in *listInput) (doc interactionsDoc, err error) {
			list := s.store.Interactions(ctx, atocore.InteractionFilter{Project: in.Project, Session: in.Session, Client: in.Client, Limit: in.Limit + 1})
			doc.Interactions, doc.More, err = collect(list, in.Limit, func(i atocore.Interaction) int { return len(i.Prompt) + len(i.Response) })
			return doc, err
		})
}
