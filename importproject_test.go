package atocore_test

import (
	"testing"
	"time"

	"github.com/atocore/atocore"
)

// A record without a project stays in the one where it is, whatever project a later
// run is given, and the report says so. What changes in the source still arrives.
func TestImportUnderAnotherProject(t *testing.T) {
	s := openStore(t, nil)
	told := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	own := remember(t, openStore(t, nil), statement("The pump is old."))
	source := func(content string) []atocore.Record {
		return []atocore.Record{
			keyed("a", content),
			{Memory: &own},
			{Key: "b", Document: &atocore.Document{Path: "notes.md", CreatedAt: told}, Text: "# " + content},
			{Key: "c", Interaction: &atocore.Interaction{Prompt: content, CreatedAt: told}},
			{Key: "d", Memory: &atocore.Memory{Type: atocore.Knowledge, Content: "The mill turns.", Project: "mill"}},
		}
	}
	o := atocore.ImportOptions{From: "x", Project: "harbour"}
	if report, _ := outcome(t, s, o, source("one")...); report.Added != 5 || report.Elsewhere != 0 {
		t.Fatalf("first import: %+v", report)
	}
	before := digest(t, s)
	for _, project := range []string{"harbour", "Harbour"} {
		o.Project = project
		if report, _ := outcome(t, s, o, source("one")...); report.Unchanged != 5 || report.Elsewhere != 0 {
			t.Errorf("again under %s: %+v", project, report)
		}
	}
	o.Project = ""
	if report, _ := outcome(t, s, o, source("one")...); report.Unchanged != 5 || report.Elsewhere != 0 {
		t.Errorf("without a project: %+v", report)
	}
	o.Project, o.DryRun = "canal", true
	if report, _ := outcome(t, s, o, source("one")...); report.Unchanged != 5 || report.Elsewhere != 4 {
		t.Errorf("dry, under another project: %+v", report)
	}
	o.DryRun = false
	report, _ := outcome(t, s, o, source("one")...)
	if report.Unchanged != 5 || report.Elsewhere != 4 || len(report.Projects) > 0 || report.ID != "" || digest(t, s) != before {
		t.Errorf("under another project: %+v", report)
	}
	if report, _ := outcome(t, s, o, source("two")...); report.Updated != 3 || report.Elsewhere != 4 {
		t.Errorf("changed, under another project: %+v", report)
	}
	if m := memories(t, s); m["two"].Project != "harbour" || m["The pump is old."].Project != "harbour" || m["The mill turns."].Project != "mill" {
		t.Errorf("memories %+v", m)
	}
	for _, d := range collect(t, s.Documents(t.Context(), atocore.DocumentFilter{})) {
		if d.Project != "harbour" {
			t.Errorf("document %+v", d)
		}
	}

	// What has a project moves with its source.
	moved := keyed("a", "two")
	moved.Memory.Project = "lock"
	_, each := outcome(t, s, o, moved)
	wantOutcome(t, each, "update memory a (Project: harbour → Project: lock)")
	own.UpdatedAt = own.UpdatedAt.Add(time.Hour)
	own.Content = "The pump is new."
	if report, _ := outcome(t, s, o, atocore.Record{Memory: &own}); report.Updated != 1 || memories(t, s)["The pump is new."].Project != "canal" {
		t.Errorf("a newer one of another store: %+v", report)
	}
}
