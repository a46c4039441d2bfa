package atocoretest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing/fstest"
	"time"

	"github.com/atocore/atocore"
)

// awkward are texts that a careless copy would not bring back as they are.
var awkward = []string{
	"Ελλάδα, Україна, ישראל, العربية, हिन्दी, 日本語, 한국어, ไทย",
	"👩‍👩‍👧‍👦 sails to 🇳🇿 with e\u0301\u0323clairs",
	"\u202eright to left\u202c and zero\u200bwidth and a \ufeffmark",
	"quotes ' \" ` and signs % _ \\ ; -- /* */ NULL",
	"tabs\tand\nlines\r\nof every\n\n\nsort",
	strings.Repeat("a long text goes on and on ", 400),
}

var allTypes = []atocore.MemoryType{atocore.Identity, atocore.Preference, atocore.ProjectMemory, atocore.Episodic, atocore.Knowledge, atocore.Adaptation}

// Fill writes some of everything that a store can hold: memories of every type in
// every status, with all of their fields; projects, state, documents with and
// without kept originals, interactions, probes, and texts that are hard to copy. It
// is what RoundTrip fills a store with; a Seed of one's own may call it as well.
// The store must not have a project of the name "atocoretest".
func Fill(ctx context.Context, s *atocore.Store) error {
	ctx = atocore.WithActor(ctx, "atocoretest")
	for _, part := range []func(context.Context, *atocore.Store) error{fillProjects, fillMemories, fillDocuments, fillRest} {
		if err := part(ctx, s); err != nil {
			return fmt.Errorf("fill the store: %w", err)
		}
	}
	return nil
}

// The project that Fill adds.
const project = "atocoretest"

func fillProjects(ctx context.Context, s *atocore.Store) error {
	_, err := s.AddProject(ctx, atocore.Project{Name: project, Aliases: []string{"atocoretest alias", "ατοκόρε"}, Description: "Added by atocoretest."})
	for i, text := range awkward {
		if err == nil {
			_, err = s.SetState(ctx, atocore.StateEntry{Project: project, Category: "awkward", Key: fmt.Sprint("key ", i), Value: text, Source: "fill.go"})
		}
	}
	if err == nil {
		_, err = s.SetState(ctx, atocore.StateEntry{Project: project, Key: "unset", Value: "gone, but in the journal"})
	}
	if err == nil {
		_, err = s.UnsetState(ctx, project, "", "unset")
	}
	return err
}

// fillMemories takes one memory of each type into each status.
func fillMemories(ctx context.Context, s *atocore.Store) error {
	var list []atocore.Memory
	for i, typ := range allTypes {
		for k, status := range allStatuses {
			m := atocore.Memory{
				Type:       typ,
				Content:    fmt.Sprintf("Number %d of type %s becomes %s.", i, typ, status),
				Confidence: 0.9 - float64(i)/10,
				Tags:       []string{"atocoretest", string(status)},
				Metadata:   map[string]string{"type": string(typ), "awkward": awkward[i%len(awkward)]},
				Provenance: atocore.Provenance{Client: "go test", Session: "fill", Speaker: "Ada", Source: "fill.go"},
				ValidFrom:  time.Date(2001, time.February, 3, 4, 5, 6, 789_000, time.UTC),
			}
			if status == atocore.Candidate {
				m.Status = atocore.Candidate
			}
			if k%2 == 0 {
				m.Project = project
			}
			list = append(list, m)
		}
	}
	for i, text := range awkward {
		list = append(list, atocore.Memory{Type: atocore.Knowledge, Content: fmt.Sprint("Text ", i, ": ", text), ValidUntil: time.Date(2999, time.December, 31, 23, 59, 59, 0, time.UTC)})
	}
	list = append(list, atocore.Memory{Type: atocore.Episodic, Content: "This is forgotten."})
	said, err := s.RememberAll(ctx, list)
	if err != nil {
		return err
	}
	for i, typ := range allTypes {
		of := said[i*len(allStatuses):][:len(allStatuses)]
		_, reinforced := s.Reinforce(ctx, of[1].ID)
		_, superseded := s.Supersede(ctx, of[2].ID, atocore.Memory{Content: fmt.Sprintf("What has replaced number %d of type %s.", i, typ)})
		_, invalid := s.Invalidate(ctx, of[3].ID, fmt.Sprintf("never was true: %.60s", awkward[i%len(awkward)]))
		if err := errors.Join(reinforced, superseded, invalid); err != nil {
			return err
		}
	}
	_, err = s.Forget(ctx, "to leave a tombstone", said[len(said)-1].ID)
	return err
}

func fillDocuments(ctx context.Context, s *atocore.Store) error {
	const front = "---\ntitle: %s\nsummary: Written by atocoretest.\ntags: [awkward]\ndate: 2026-03-02\n---\n\n# One\n\n%s\n\n## Two\n\nAnd more of it.\n"
	files := fstest.MapFS{}
	for i, text := range awkward {
		files[fmt.Sprintf("notes/δ %d.md", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, front, fmt.Sprint("Number ", i), text)}
	}
	files["plain.txt"] = &fstest.MapFile{Data: []byte("A plain text, which nobody kept.\n")}
	report, err := s.Ingest(ctx, files, &atocore.IngestOptions{Project: project, Origin: "atocoretest", Only: []string{"notes"}, KeepOriginals: true})
	if err == nil && len(report.Skipped) > 0 {
		err = fmt.Errorf("skipped %v", report.Skipped)
	}
	if err == nil {
		_, err = s.Ingest(ctx, files, &atocore.IngestOptions{Origin: "atocoretest", Only: []string{"plain.txt"}})
	}
	if err == nil {
		_, err = s.AddDocument(ctx, atocore.Document{
			Project: project, Path: "added", Title: "Added", Session: "fill", Speaker: "Grace", Metadata: map[string]string{"a": "b"},
			Time: time.Date(2026, time.April, 9, 13, 13, 21, 0, time.UTC),
		}, "# Added\n\nA document that was at hand as a text.\n")
	}
	return err
}

func fillRest(ctx context.Context, s *atocore.Store) error {
	for i, text := range awkward {
		i := atocore.Interaction{
			Session: "fill", Client: "go test", Turn: fmt.Sprint(i), Prompt: "What about this? " + text, Response: text,
			Metadata: map[string]string{"model": "none"}, CreatedAt: time.Date(2026, time.May, 1, 0, 0, i, 0, time.UTC),
		}
		if len(text)%2 == 0 {
			i.Project = project
		}
		if _, err := s.Capture(ctx, i); err != nil {
			return err
		}
	}
	_, err := s.AddProbe(ctx, atocore.Probe{Query: "what becomes superseded", Project: project})
	return err
}

// scramble changes whatever a store holds: some of each kind are changed, some
// removed, some added. It is what RoundTrip does between snapshot and restore.
func scramble(ctx context.Context, s *atocore.Store) error {
	ctx = atocore.WithActor(ctx, "atocoretest: after the snapshot")
	for _, part := range []func(context.Context, *atocore.Store) error{scrambleMemories, scrambleState, scrambleDocuments, scrambleRest} {
		if err := part(ctx, s); err != nil {
			return fmt.Errorf("change the store: %w", err)
		}
	}
	return nil
}

// scrambleMemories does something else to each of the first memories.
func scrambleMemories(ctx context.Context, s *atocore.Store) error {
	list, err := collect(s.Memories(ctx, atocore.MemoryFilter{Statuses: []atocore.Status{atocore.Active, atocore.Candidate}, Limit: 12}))
	if err != nil {
		return err
	}
	for i, m := range list {
		switch i % 4 {
		case 0:
			_, err = s.Revise(ctx, m.ID, "Revised after the snapshot: "+m.ID)
		case 1:
			_, err = s.Supersede(ctx, m.ID, atocore.Memory{Content: "Superseded after the snapshot: " + m.ID})
		case 2:
			_, err = s.Invalidate(ctx, m.ID, "after the snapshot")
		case 3:
			_, err = s.Forget(ctx, "after the snapshot", m.ID)
		}
		if err != nil {
			return err
		}
	}
	_, err = s.Remember(ctx, atocore.Memory{Type: atocore.Episodic, Content: "Written after the snapshot was taken. " + strings.Repeat("This one is long. ", 500)})
	return err
}

func scrambleState(ctx context.Context, s *atocore.Store) error {
	list, err := s.State(ctx, atocore.StateFilter{})
	if err != nil {
		return err
	}
	for i, e := range list {
		if i%3 == 2 {
			_, err = s.UnsetState(ctx, e.Project, e.Category, e.Key)
		} else {
			e.Value = "Set after the snapshot."
			_, err = s.SetState(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func scrambleDocuments(ctx context.Context, s *atocore.Store) error {
	list, err := collect(s.Documents(ctx, atocore.DocumentFilter{}))
	if err != nil {
		return err
	}
	for i, d := range list[:min(6, len(list))] {
		if i%2 == 0 {
			_, err = s.Forget(ctx, "after the snapshot", d.ID) // with its original
		} else {
			_, err = s.AddDocument(ctx, atocore.Document{Project: d.Project, Origin: d.Origin, Path: d.Path}, "# Another text\n\nWritten after the snapshot.\n")
		}
		if err != nil {
			return err
		}
	}
	files := fstest.MapFS{"new.md": {Data: []byte("# New\n\nKept after the snapshot.\n")}}
	_, err = s.Ingest(ctx, files, &atocore.IngestOptions{Origin: "after the snapshot", KeepOriginals: true})
	return err
}

func scrambleRest(ctx context.Context, s *atocore.Store) error {
	list, err := collect(s.Interactions(ctx, atocore.InteractionFilter{Limit: 1}))
	if err == nil && len(list) > 0 {
		_, err = s.Forget(ctx, "after the snapshot", list[0].ID)
	}
	if err == nil {
		_, err = s.Capture(ctx, atocore.Interaction{Prompt: "Is this after the snapshot?", Response: "Yes."})
	}
	if err == nil {
		_, err = s.AddProbe(ctx, atocore.Probe{Query: "is this after the snapshot"})
	}
	if err == nil {
		_, err = s.AddProject(ctx, atocore.Project{Name: "atocoretest, after the snapshot"})
	}
	return err
}
