package atocore_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

func TestAddDocument(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	if _, err := s.AddProject(ctx, atocore.Project{Name: "atlas", Aliases: []string{"at"}}); err != nil {
		t.Fatal(err)
	}
	const text = "---\ntitle: Of the page\ntags: [b, a]\nowner: Ingrid\n---\n# Heading\n\nThe crane lifts four tons.\n"
	tags := make([]string, 1, 8)
	tags[0] = "mine"
	in := atocore.Document{
		Path: "a/b.md", Project: "at", Origin: "wiki", Tags: tags, Session: "s1", Speaker: "Astrid",
		Time: time.Date(2025, 2, 3, 4, 5, 6, 789, time.FixedZone("", 3600)), Metadata: map[string]string{"k": "v"},
		ID: "given", SHA256: "given", Chunks: 99, Size: 99, Kept: true, // the store knows better
	}
	d, err := s.AddDocument(ctx, in, text)
	if err != nil {
		t.Fatal(err)
	}
	if d.ID == "given" || d.SHA256 == "given" || d.Size != int64(len(text)) || d.Chunks != 1 || d.Kept || d.Project != "atlas" || d.Title != "Of the page" {
		t.Errorf("stored %+v", d)
	}
	if diff := cmp.Diff([]string{"a", "b", "mine"}, d.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if tags = tags[:3]; tags[1] != "" || in.Metadata["owner"] != "" {
		t.Error("the caller's tags or metadata were written to")
	}
	got, err := s.Document(ctx, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got); diff != "" {
		t.Errorf("read back (-returned +read):\n%s", diff)
	}

	before := storeBytes(t, s)
	again, err := s.AddDocument(ctx, in, text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, again); diff != "" {
		t.Errorf("added again (-first +again):\n%s", diff)
	}
	if storeBytes(t, s) != before {
		t.Error("adding the same again wrote to the data directory")
	}

	// Another text in its place keeps the ID; fewer chunks leave none behind.
	long, err := s.AddDocument(ctx, in, "# One\n\n"+strings.Repeat("first text of the page. ", 200)+"\n\n# Two\n\n"+strings.Repeat("second text of it. ", 200))
	if err != nil || long.ID != d.ID || long.Chunks < 4 {
		t.Fatalf("stored %+v (%v)", long, err)
	}
	short, err := s.AddDocument(ctx, in, "zebra")
	if err != nil || short.ID != d.ID || short.Chunks != 1 || short.CreatedAt != d.CreatedAt {
		t.Fatalf("stored %+v (%v)", short, err)
	}
	res, err := s.Retriever(nil).Search(ctx, atocore.Query{Text: "second text crane zebra", Mode: atocore.TextOnly})
	if err != nil || len(res.Hits) != 1 || res.Hits[0].Text != "zebra" {
		t.Errorf("found %+v (%v)", res.Hits, err)
	}
	checkDocuments(t, s)
}

func TestAddDocumentRefuses(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	ok := func() atocore.Document { return atocore.Document{Path: "a.md"} }
	with := func(set func(*atocore.Document)) atocore.Document {
		d := ok()
		set(&d)
		return d
	}
	for name, tt := range map[string]struct {
		d    atocore.Document
		text string
		want error
	}{
		"no path":           {atocore.Document{}, "x", atocore.ErrInvalid},
		"an absolute path":  {with(func(d *atocore.Document) { d.Path = "/a" }), "x", atocore.ErrInvalid},
		"a path upwards":    {with(func(d *atocore.Document) { d.Path = "a/../b" }), "x", atocore.ErrInvalid},
		"a path of lines":   {with(func(d *atocore.Document) { d.Path = "a\nb" }), "x", atocore.ErrInvalid},
		"no text":           {ok(), " \n", atocore.ErrInvalid},
		"NUL":               {ok(), "a\x00", atocore.ErrInvalid},
		"not UTF-8":         {ok(), "a\xff", atocore.ErrInvalid},
		"too large":         {ok(), strings.Repeat("a", atocore.MaxDocumentBytes+1), atocore.ErrInvalid},
		"a media type":      {with(func(d *atocore.Document) { d.MediaType = "text/html" }), "x", atocore.ErrInvalid},
		"a year of 5 signs": {with(func(d *atocore.Document) { d.Time = time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC) }), "x", atocore.ErrInvalid},
		"another project":   {with(func(d *atocore.Document) { d.Project = "nobody" }), "x", atocore.ErrNotFound},
	} {
		if _, err := s.AddDocument(ctx, tt.d, tt.text); !errors.Is(err, tt.want) {
			t.Errorf("%s: got error %v, want %v", name, err, tt.want)
		}
	}
	if got := len(documents(t, s)); got != 0 {
		t.Errorf("%d documents were stored", got)
	}
	for _, read := range []func(string) error{
		func(id string) error { _, err := s.Document(ctx, id); return err },
		func(id string) error { _, err := s.Chunks(ctx, id); return err },
		func(id string) error { _, err := s.Original(ctx, id); return err },
	} {
		if err := read("01nothing"); !errors.Is(err, atocore.ErrNotFound) {
			t.Errorf("got error %v, want ErrNotFound", err)
		}
	}
}

// A citation has both ends, also that of the first chunk.
func TestHitSaysWhereItStarts(t *testing.T) {
	ctx := t.Context()
	s := openStore(t, nil)
	if _, err := s.AddDocument(ctx, atocore.Document{Path: "a.md"}, "The roses are cut back in March."); err != nil {
		t.Fatal(err)
	}
	res := search(t, s, atocore.Query{Text: "roses"})
	if len(res.Hits) != 1 {
		t.Fatalf("hits: %+v", res.Hits)
	}
	data, err := json.Marshal(res.Hits[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(`"start":0,"end":32`)) {
		t.Errorf("the hit is %s", data)
	}
}
