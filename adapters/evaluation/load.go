package evaluation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/atocore/atocore"
)

// A Corpus is the documents of a set in a store.
type Corpus struct {
	Refused []Refusal // what the store did not take, in the order of the set

	store *atocore.Store
	set   *Set
	opts  Options

	documents  map[string]int     // by the ID that the store gave: the index in the set
	characters map[int]*positions // where the unit is Spans, by index
}

// A Refusal is a document that the store did not take: one without text, say.
type Refusal struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Load stores the documents of a set, each as a document in the project of its
// scope, and gives each question's scope its project too. A document whose ID
// ends as the name of a Markdown file does is stored as Markdown, any other as
// plain text. The turns of a session are stored in the order of the set. What
// the store refuses is in Refused and no error. Texts that wait for their
// vectors are embedded before Load returns, unless only words are asked for.
func Load(ctx context.Context, store *atocore.Store, set *Set, o *Options) (*Corpus, error) {
	c := &Corpus{store: store, set: set, opts: o.withDefaults(), documents: make(map[string]int, len(set.Documents))}
	if err := c.addProjects(ctx); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if err := c.addDocuments(ctx); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if slices.ContainsFunc(c.opts.Modes, func(m atocore.Mode) bool { return m != atocore.TextOnly }) {
		if err := c.embed(ctx); err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
	}
	if set.Unit == Spans {
		c.characters = map[int]*positions{}
		for _, i := range c.documents {
			c.characters[i] = newPositions(set.Documents[i].Text)
		}
	}
	return c, nil
}

// Len is how many documents the store took.
func (c *Corpus) Len() int { return len(c.documents) }

func (c *Corpus) addProjects(ctx context.Context) error {
	scopes := map[string]bool{}
	for _, d := range c.set.Documents {
		scopes[d.Scope] = true
	}
	for _, q := range c.set.Questions {
		scopes[q.Scope] = true
	}
	delete(scopes, "")
	for scope := range scopes {
		p, err := c.store.AddProject(ctx, atocore.Project{Name: scope})
		if err != nil {
			return fmt.Errorf("scope %q: %w", scope, err)
		}
		if p.Name != scope {
			return &atocore.InvalidError{Field: "scope", Reason: fmt.Sprintf("%q and %q are one project", p.Name, scope), Hint: "projects are compared without case: rename one"}
		}
	}
	return nil
}

// embed waits for vectors that an embedder did not give at once: a search
// without them would be measured as one with them. And it has the store measure, of
// all that it holds by now, how far it trusts them: else that would be as many as
// there were when it did so last.
func (c *Corpus) embed(ctx context.Context) error {
	if _, err := c.store.EmbedPending(ctx); err != nil {
		return err
	}
	return c.store.MeasureTrust(ctx)
}

// addDocuments stores groups of documents side by side, so that their commits
// are shared, and those of one group one after the other.
func (c *Corpus) addDocuments(ctx context.Context) error {
	groups := groupDocuments(c.set.Documents)
	var mu sync.Mutex // of what follows, and of c
	done := 0
	refused := map[int]string{}
	err := parallel(ctx, c.opts.Workers, len(groups), func(ctx context.Context, g int) error {
		for _, i := range groups[g] {
			added, err := c.store.AddDocument(ctx, storedDocument(&c.set.Documents[i]), c.set.Documents[i].Text)
			invalid, isInvalid := errors.AsType[*atocore.InvalidError](err)
			if err != nil && !isInvalid {
				return fmt.Errorf("document %q: %w", c.set.Documents[i].ID, err)
			}
			mu.Lock()
			if isInvalid {
				refused[i] = invalid.Field + " " + invalid.Reason
			} else {
				c.documents[added.ID] = i
			}
			done++
			c.opts.Progress("load", done, len(c.set.Documents))
			mu.Unlock()
		}
		return nil
	})
	for i := range c.set.Documents {
		if reason, ok := refused[i]; ok {
			c.Refused = append(c.Refused, Refusal{c.set.Documents[i].ID, reason})
		}
	}
	return err
}

// groupDocuments returns the indexes of documents by scope and session, in the
// order of the set; a document that has neither is a group of its own.
func groupDocuments(documents []Document) [][]int {
	var groups [][]int
	known := map[[2]string]int{}
	for i, d := range documents {
		key := [2]string{d.Scope, d.Session}
		if g, ok := known[key]; ok && key != [2]string{} {
			groups[g] = append(groups[g], i)
			continue
		}
		known[key] = len(groups)
		groups = append(groups, []int{i})
	}
	return groups
}

func storedDocument(d *Document) atocore.Document {
	return atocore.Document{
		Path: documentPath(d.ID), Title: d.Title, Project: d.Scope, Session: d.Session,
		Speaker: d.Speaker, Time: d.Time, MediaType: mediaType(d.ID),
	}
}

// mediaType goes by the ID's extension, as an ingestion of files does.
func mediaType(id string) string {
	switch strings.ToLower(path.Ext(id)) {
	case ".md", ".markdown", ".mdown", ".mkd", ".mdx", ".mkdn":
		return atocore.MediaMarkdown
	}
	return atocore.MediaText
}

// documentPath is the ID, escaped where that is no path, an address say.
func documentPath(id string) string {
	if fs.ValidPath(id) && id != "." {
		return id
	}
	return strings.ReplaceAll(url.PathEscape(id), ".", "%2E")
}
