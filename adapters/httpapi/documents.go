package httpapi

import (
	"context"
	"time"

	"github.com/atocore/atocore"
)

type documentInput struct {
	Path      string            `json:"path" doc:"What the document is known by in its origin, with slashes. The same path again replaces the text."`
	Text      string            `json:"text" doc:"The source, at most 16 MiB."`
	Origin    string            `json:"origin,omitempty" doc:"Where it comes from, a folder say; paths are its own."`
	Project   string            `json:"project,omitempty" doc:"A project's name or alias; none is global."`
	MediaType string            `json:"media_type,omitempty" enum:"text/markdown,text/plain" doc:"The default is text/markdown."`
	Title     string            `json:"title,omitempty" doc:"The default is what the text says, as of summary, tags and time."`
	Summary   string            `json:"summary,omitempty"`
	Tags      []string          `json:"tags,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Session   string            `json:"session,omitempty" doc:"The conversation it belongs to."`
	Speaker   string            `json:"speaker,omitempty" doc:"Who says it; searched with the text."`
	Time      time.Time         `json:"time,omitzero" doc:"The document's own date."`
}

type documentsDoc struct {
	Documents []atocore.Document `json:"documents"`
	More      bool               `json:"more,omitempty" doc:"Whether there are more than fit into the answer."`
}

type documentDoc struct {
	Kind string `json:"kind" enum:"document"`
	atocore.Document
}

type chunksDoc struct {
	Chunks []atocore.Chunk `json:"chunks"`
}

func (s *server) documentRoutes() {
	const tag = "documents"
	add(s, operation{route: "POST /documents", id: "add-document", tag: tag, write: true, body: roomFor(atocore.MaxDocumentBytes), errors: []int{404, 409},
		doc: "Take in a text, cut into chunks along its headings."},
		func(ctx context.Context, in *struct{ Body documentInput }) (atocore.Document, error) {
			b := in.Body
			return s.store.AddDocument(ctx, atocore.Document{
				Project: b.Project, Origin: b.Origin, Path: b.Path, Title: b.Title, Summary: b.Summary, MediaType: b.MediaType,
				Tags: b.Tags, Metadata: b.Metadata, Session: b.Session, Speaker: b.Speaker, Time: b.Time,
			}, b.Text)
		})
	type listInput struct {
		Project string `query:"project" doc:"Only of this project, by name or alias."`
		Origin  string `query:"origin" doc:"Only of this origin."`
		Limit   int    `query:"limit" default:"1000" minimum:"1" maximum:"10000" doc:"At most so many, by project, origin and path."`
	}
	add(s, operation{route: "GET /documents", id: "list-documents", tag: tag, errors: []int{404}, doc: "List documents."},
		func(ctx context.Context, in *listInput) (doc documentsDoc, err error) {
			list := s.store.Documents(ctx, atocore.DocumentFilter{Project: in.Project, Origin: in.Origin})
			doc.Documents, doc.More, err = collect(list, in.Limit, func(d atocore.Document) int { return len(d.Summary) })
			return doc, err
		})
	add(s, operation{route: "GET /documents/{id}", id: "get-document", tag: tag, errors: []int{404}, doc: "A document, without its text."},
		func(ctx context.Context, in *recordID) (documentDoc, error) {
			d, err := s.store.Document(ctx, in.ID)
			return documentDoc{"document", d}, err
		})
	add(s, operation{route: "GET /documents/{id}/chunks", id: "document-chunks", tag: tag, errors: []int{404}, doc: "The pieces of a document, in their order."},
		func(ctx context.Context, in *recordID) (chunksDoc, error) {
			c, err := s.store.Chunks(ctx, in.ID)
			if c == nil {
				c = []atocore.Chunk{}
			}
			return chunksDoc{c}, err
		})
	type forgetInput struct {
		ID     string `path:"id" doc:"The record's ID."`
		Reason string `query:"reason" doc:"Why. It stays, so it should not repeat the content."`
	}
	add(s, operation{route: "DELETE /documents/{id}", id: "forget-document", tag: tag, write: true, errors: []int{404, 409},
		doc: "Remove a document for good, history included."},
		func(ctx context.Context, in *forgetInput) (forgottenDoc, error) {
			if _, err := s.store.Document(ctx, in.ID); err != nil {
				return forgottenDoc{}, err
			}
			return s.forget(ctx, in.ID, in.Reason)
		})
}
