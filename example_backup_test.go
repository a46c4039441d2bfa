package atocore_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/atocore/atocore"
)

// A drill proves, while the store is in use, that what it holds can be had back.
func ExampleBackup_Drill() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "atocore-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := atocore.Open(ctx, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "The ferry leaves on Tuesdays."}); err != nil {
		log.Fatal(err)
	}

	report, err := store.Backup(nil).Drill(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Findings {
		fmt.Println(f.Code, f.Expected, f.Found)
	}
	fmt.Println("restorable:", report.OK, "digest equal:", report.DigestOK)
	// Output: restorable: true digest equal: true
}

// A snapshot is taken while the store is in use, and put back while nobody has it
// open.
func ExampleBackup_Restore() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "atocore-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := atocore.Open(ctx, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "The ferry leaves on Tuesdays."}); err != nil {
		log.Fatal(err)
	}
	snapshot, err := store.Backup(nil).Create(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: "A mistake."}); err != nil {
		log.Fatal(err)
	}
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}

	backup := atocore.NewBackup(dir, nil)
	report, err := backup.Restore(ctx, snapshot.Stamp, &atocore.RestoreOptions{ConfirmServiceStopped: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("restored:", report.RestoredIntegrityOK, report.DigestOK)
	// Output: restored: true true
}
