// Quickstart remembers a few statements, corrects one, asks, and packs a
// context for a prompt.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/atocore/atocore"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "atocore-quickstart-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	store, err := atocore.Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	if err := remember(ctx, store); err != nil {
		return err
	}
	retriever := store.Retriever(nil)

	const question = "When do deploys go out?"
	res, err := retriever.Search(ctx, atocore.Query{Text: question, Project: "website", Limit: 3})
	if err != nil {
		return err
	}
	fmt.Println(question)
	for i, h := range res.Hits {
		fmt.Printf("  %d. %s  [%s]\n", i+1, h.Text, h.Source)
	}

	pack, err := retriever.Context(ctx, atocore.ContextRequest{
		Prompt:  "Announce the next deploy to the team",
		Project: "website",
		Budget:  300,
	})
	if err != nil {
		return err
	}
	fmt.Printf("\nA context of %d tokens, %d at most:\n\n%s", pack.Tokens, pack.Budget, pack.Text)
	return nil
}

func remember(ctx context.Context, store *atocore.Store) error {
	if _, err := store.AddProject(ctx, atocore.Project{Name: "website", Aliases: []string{"www"}}); err != nil {
		return err
	}
	memories, err := store.RememberAll(ctx, []atocore.Memory{
		{Type: atocore.Preference, Content: "Announcements are two sentences long."},
		{Type: atocore.ProjectMemory, Project: "website", Content: "Deploys go out on Tuesdays."},
		{Type: atocore.Episodic, Project: "website", Content: "The deploy of 3 February was rolled back: a migration had locked the orders table."},
	})
	if err != nil {
		return err
	}
	// What is true of a project by decision, not by observation, is state.
	if _, err := store.SetState(ctx, atocore.StateEntry{Project: "www", Key: "freeze", Value: "No deploys from 20 December to 2 January."}); err != nil {
		return err
	}
	// A statement that is no longer true is superseded. It stays in the
	// history, and is not found any more.
	_, err = store.Supersede(ctx, memories[1].ID, atocore.Memory{
		Content:    "Deploys go out on Thursdays at ten.",
		Provenance: atocore.Provenance{Source: "team meeting of 4 May"},
	})
	return err
}
