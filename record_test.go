package atocore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
)

const (
	driftID    = "01kj5n8m00aaaaaaaaaaaaaaaa"
	driftFirst = "The ferry leaves on Thursdays.\n"
	driftRest  = "The crane is at berth 4.\n"
)

// driftValues are the fields whose values have to obey a rule. Every other field,
// also one that is added later, is filled by its kind.
var driftValues = map[string]any{
	"Project.Name":          "harbour",
	"Memory.ID":             "01kj5n8m00bbbbbbbbbbbbbbbb",
	"Memory.Type":           atocore.Adaptation,
	"Memory.Status":         atocore.Superseded,
	"Memory.Project":        "harbour",
	"Memory.Supersedes":     "01kj5n8m00cccccccccccccccc",
	"Memory.SupersededBy":   "01kj5n8m00dddddddddddddddd",
	"StateEntry.ID":         "01kj5n8m00eeeeeeeeeeeeeeee",
	"StateEntry.Project":    "harbour",
	"Document.ID":           driftID,
	"Document.Project":      "harbour",
	"Document.Path":         "folder/file.md",
	"Document.MediaType":    atocore.MediaText,
	"Document.SHA256":       sumOf(driftFirst + driftRest),
	"Document.Size":         int64(len(driftFirst + driftRest)),
	"Document.Chunks":       2,
	"Interaction.ID":        "01kj5n8m00ffffffffffffffff",
	"Interaction.Project":   "harbour",
	"Probe.Project":         "harbour",
	"Record.Text":           "", // Chunks are in its place
	"Record.Key":            "", // identifies the record in its source, and is not of it
	"Record.Original":       []byte(driftFirst + driftRest),
	"Record.Chunks":         []atocore.Chunk(nil), // filled below
	"chunk 0 Chunk.ID":      driftID + ".0",
	"chunk 0 Chunk.Start":   0,
	"chunk 0 Chunk.End":     len(driftFirst),
	"chunk 0 Chunk.Text":    driftFirst,
	"chunk 1 Chunk.ID":      driftID + ".1",
	"chunk 1 Chunk.Start":   len(driftFirst),
	"chunk 1 Chunk.End":     len(driftFirst + driftRest),
	"chunk 1 Chunk.Text":    driftRest,
	"chunk 0 Chunk.Ordinal": 0,
	"chunk 1 Chunk.Ordinal": 1,
	"Chunk.Document":        driftID,
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// A filler gives every field a value of its own.
type filler struct {
	t *testing.T
	n int
}

func (f *filler) fill(prefix string, v reflect.Value) {
	f.n++
	typ := v.Type()
	for i := range v.NumField() {
		f.n++
		name := typ.Name() + "." + typ.Field(i).Name
		value, given := driftValues[prefix+name]
		if !given {
			value, given = driftValues[name]
		}
		if given {
			v.Field(i).Set(reflect.ValueOf(value))
			continue
		}
		f.field(prefix, name, v.Field(i))
	}
}

func (f *filler) field(prefix, name string, v reflect.Value) {
	if _, ok := v.Interface().(time.Time); ok {
		v.Set(reflect.ValueOf(time.Date(2026, time.March, 1, 12, f.n, 5, 678_000, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s <%d> & ü", name, f.n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Float64:
		v.SetFloat(1 / float64(f.n+2))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		f.fill(prefix, v)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(prefix, v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.ValueOf([]string{name + " a", name + " b"}).Convert(v.Type()))
			return
		}
		fallthrough
	case reflect.Map:
		if v.Type() == reflect.TypeFor[map[string]string]() {
			v.Set(reflect.ValueOf(map[string]string{name + " key": "value", "another": name}))
			return
		}
		fallthrough
	default:
		f.t.Fatalf("%s is a %s: say in driftValues what to fill it with", name, v.Type())
	}
}

// filledRecords is a record of each kind, every field of it filled.
func filledRecords(t *testing.T) (out []atocore.Record) {
	f := &filler{t: t}
	for _, typ := range reflect.VisibleFields(reflect.TypeFor[atocore.Record]()) {
		if typ.Type.Kind() != reflect.Pointer {
			if _, given := driftValues["Record."+typ.Name]; !given {
				t.Errorf("Record.%s is new: take it through export and import here", typ.Name)
			}
			continue
		}
		var r atocore.Record
		f.field("", typ.Name, reflect.ValueOf(&r).Elem().FieldByIndex(typ.Index))
		if r.Document != nil {
			r.Original = driftValues["Record.Original"].([]byte)
			r.Chunks = make([]atocore.Chunk, 2)
			for i := range r.Chunks {
				f.fill(fmt.Sprintf("chunk %d ", i), reflect.ValueOf(&r.Chunks[i]).Elem())
			}
		}
		out = append(out, r)
	}
	return out
}

// held reads back all records of a store, in the order of Record's fields.
func held(t *testing.T, s *atocore.Store) (out []atocore.Record) {
	t.Helper()
	ctx := t.Context()
	for _, p := range must(s.Projects(ctx))(t) {
		out = append(out, atocore.Record{Project: &p})
	}
	for _, m := range collect(t, s.Memories(ctx, atocore.MemoryFilter{Statuses: []atocore.Status{atocore.Candidate, atocore.Active, atocore.Superseded, atocore.Invalid}})) {
		out = append(out, atocore.Record{Memory: &m})
	}
	for _, e := range must(s.State(ctx, atocore.StateFilter{}))(t) {
		out = append(out, atocore.Record{State: &e})
	}
	for _, d := range collect(t, s.Documents(ctx, atocore.DocumentFilter{})) {
		r := atocore.Record{Document: &d, Chunks: must(s.Chunks(ctx, d.ID))(t)}
		if d.Kept {
			r.Original = must(readAll(s.Original(ctx, d.ID)))(t)
		}
		out = append(out, r)
	}
	for _, i := range collect(t, s.Interactions(ctx, atocore.InteractionFilter{})) {
		out = append(out, atocore.Record{Interaction: &i})
	}
	for _, p := range must(s.Probes(ctx))(t) {
		out = append(out, atocore.Record{Probe: &p})
	}
	return out
}

func readAll(r io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// sequence is a sequence of records as a source would yield them.
func sequence(records ...atocore.Record) iter.Seq2[atocore.Record, error] {
	return func(yield func(atocore.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func importInto(t testing.TB, s *atocore.Store, o *atocore.ImportOptions, records ...atocore.Record) atocore.ImportReport {
	t.Helper()
	return must(s.Import(t.Context(), sequence(records...), o))(t)
}

func exported(t testing.TB, s *atocore.Store, o *atocore.ExportOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	report := must(s.Export(t.Context(), &b, o))(t)
	if report.Bytes != int64(b.Len()) {
		t.Errorf("the export has %d bytes, and reports %d", b.Len(), report.Bytes)
	}
	return b.Bytes()
}

// TestDrift fills every field of every kind of record and takes it through import,
// export, the journal, and a restore. It fails where a field is added that does not
// come back.
func TestDrift(t *testing.T) {
	ctx := t.Context()
	want := filledRecords(t)
	for _, r := range want {
		v := reflect.ValueOf(r)
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
				wantNoZero(t, f.Type().Elem().Name(), f.Elem())
			}
		}
	}
	dir := t.TempDir()
	first := openUnchecked(t, dir, nil)
	report := importInto(t, first, nil, want...)
	if report.Added != len(want) || len(report.Skipped) > 0 || len(report.Projects) > 0 {
		t.Fatalf("import: %+v", report)
	}
	same := func(what string, s *atocore.Store) {
		t.Helper()
		if d := cmp.Diff(want, held(t, s)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	same("imported", first)
	checkStore(t, first)

	second := openStore(t, nil)
	must(second.Import(ctx, atocore.ReadRecords(bytes.NewReader(exported(t, first, nil))), nil))(t)
	same("exported and imported", second)

	third := openStore(t, nil)
	e := must(atocore.ReadExport(bytes.NewReader(exported(t, first, &atocore.ExportOptions{Journal: true}))))(t)
	if err := third.ReplayExport(ctx, e); err != nil {
		t.Fatal(err)
	}
	same("exported and replayed", third)
	if digest(t, third) != digest(t, first) {
		t.Error("the replayed store has another digest")
	}

	snap := must(first.Backup(nil).Create(ctx, nil))(t)
	for _, r := range want {
		if r.Memory != nil {
			must(first.Forget(ctx, "after the snapshot", r.Memory.ID, driftID))(t)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	must(backupOf(dir).Restore(ctx, snap.Stamp, confirmed))(t)
	same("restored", openStoreIn(t, dir, nil))
}

// wantNoZero wants no field to be zero.
func wantNoZero(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		f := v.Field(i)
		field := name + "." + v.Type().Field(i).Name
		if f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[time.Time]() {
			wantNoZero(t, field, f)
		} else if f.IsZero() {
			t.Errorf("%s is not filled, so that nothing is shown of it", field)
		}
	}
}

// An export of a copy is the export of the original, but for its first and last line.
func TestExportOfACopyIsTheSame(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	fillAll(t, s, clk)
	copied := openStore(t, nil)
	report := must(copied.Import(t.Context(), atocore.ReadRecords(bytes.NewReader(exported(t, s, nil))), nil))(t)
	if len(report.Skipped) > 0 || report.Unchanged > 0 || report.Updated > 0 {
		t.Errorf("import into an empty store: %+v", report)
	}
	if d := cmp.Diff(recordLines(exported(t, s, nil)), recordLines(exported(t, copied, nil))); d != "" {
		t.Errorf("records of the copy (-want +got):\n%s", d)
	}
	// Again it changes nothing, here and there.
	for _, to := range []*atocore.Store{copied, s} {
		before := digest(t, to)
		report := must(to.Import(t.Context(), atocore.ReadRecords(bytes.NewReader(exported(t, s, nil))), nil))(t)
		if report.Added+report.Updated+len(report.Skipped) > 0 || report.Unchanged == 0 || report.ID != "" || digest(t, to) != before {
			t.Errorf("a second import: %+v", report)
		}
	}
}

// The journal makes the same store again, with originals and probes.
func TestExportOfTheJournal(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	fillAll(t, s, clk)
	// What has been imported, and taken back, is part of it.
	run := importInto(t, s, nil, atocore.Record{Memory: &atocore.Memory{Type: atocore.Knowledge, Content: "imported", Project: "imported too"}})
	importInto(t, s, nil, atocore.Record{Memory: &atocore.Memory{Type: atocore.Knowledge, Content: "imported and kept", Project: "imported as well"}})
	must(s.UndoImport(t.Context(), run.ID))(t)
	data := exported(t, s, &atocore.ExportOptions{Journal: true})
	again := openStore(t, nil)
	e := must(atocore.ReadExport(bytes.NewReader(data)))(t)
	if h := e.Header(); !e.IsJournal() || h.Version != 1 || h.Content != "journal" || h.Schema < 3 || !h.Created.Equal(clk.now()) || h.Digest != digest(t, s) {
		t.Errorf("header %+v", e.Header())
	}
	if err := again.ReplayExport(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if digest(t, again) != digest(t, s) {
		t.Error("the digest is another one")
	}
	if d := cmp.Diff(held(t, s), held(t, again)); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	if d := cmp.Diff(must(s.Imports(t.Context()))(t), must(again.Imports(t.Context()))(t)); d != "" {
		t.Errorf("imports (-want +got):\n%s", d)
	}
	if err := again.ReplayExport(t.Context(), must(atocore.ReadExport(bytes.NewReader(data)))(t)); err == nil {
		t.Error("a store that is not empty is replayed into")
	}
}

// fillAll writes some of everything, as a store comes to have it.
func fillAll(t *testing.T, s *atocore.Store, clk *clock) {
	t.Helper()
	ctx := t.Context()
	addProject(t, s, "harbour", "hbr")
	addProject(t, s, "mill")
	for i, typ := range []atocore.MemoryType{atocore.Identity, atocore.Preference, atocore.ProjectMemory, atocore.Episodic} {
		clk.advance(time.Second)
		remember(t, s, atocore.Memory{Type: typ, Content: fmt.Sprint("statement <", i, "> \u2028 & more"), Project: "hbr", Tags: []string{"b", "a"}, Metadata: map[string]string{"k": "v"}})
	}
	old := remember(t, s, statement("The ferry leaves on Tuesdays."))
	next := must(s.Supersede(ctx, old.ID, atocore.Memory{Content: "The ferry leaves on Thursdays."}))(t)
	must(s.Reinforce(ctx, next.ID))(t)
	wrong := remember(t, s, statement("The moon is a harbour."))
	must(s.Invalidate(ctx, wrong.ID, "it is not"))(t)
	clk.advance(time.Minute)
	remember(t, s, statement("The moon is a harbour.")) // somebody insists
	remember(t, s, statement("The ferry leaves on Tuesdays."))
	remember(t, s, atocore.Memory{Type: atocore.Knowledge, Content: "perhaps", Status: atocore.Candidate})
	gone := remember(t, s, statement("to be forgotten"))
	must(s.Forget(ctx, "", gone.ID))(t)
	must(s.SetState(ctx, atocore.StateEntry{Project: "harbour", Key: "berth", Value: "4"}))(t)
	must(s.SetState(ctx, atocore.StateEntry{Project: "mill", Category: "people", Key: "miller", Value: "Ada", Source: "letter"}))(t)
	must(s.AddDocument(ctx, atocore.Document{Path: "global.md", Session: "s", Speaker: "Grace"}, "# Global\n\nOf no project.\n"))(t)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "kept.md"), []byte("---\ndate: 2026-02-03\nstatus: done\n---\n# Kept\n\nOne.\n\n## Part\n\nTwo.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(s.IngestPath(ctx, folder, &atocore.IngestOptions{Project: "harbour", KeepOriginals: true, Origin: "notes"}))(t)
	clk.advance(time.Minute)
	must(s.Capture(ctx, atocore.Interaction{Prompt: "When?", Response: "On Thursdays.", Project: "harbour", Session: "s", Client: "c", Turn: "1"}))(t)
	must(s.Capture(ctx, atocore.Interaction{Prompt: "Where?", Response: "At berth 4."}))(t)
	must(s.AddProbe(ctx, atocore.Probe{Query: "when does the ferry leave", Project: "harbour"}))(t)
	must(s.AddProbe(ctx, atocore.Probe{Query: "where is the crane"}))(t)
}

// recordLines are the lines of an export without the first and the last.
func recordLines(export []byte) []string {
	lines := strings.Split(strings.TrimSuffix(string(export), "\n"), "\n")
	return lines[1 : len(lines)-1]
}

// With a project named, by any of its names, its records come, and no others.
func TestExportOfAProject(t *testing.T) {
	clk := newClock()
	s := openStore(t, &atocore.Options{Now: clk.now})
	fillAll(t, s, clk)
	data := exported(t, s, &atocore.ExportOptions{Project: "HBR"})
	if h := must(atocore.ReadExport(bytes.NewReader(data)))(t).Header(); h.Project != "harbour" {
		t.Errorf("header %+v", h)
	}
	var got []string
	for _, r := range collect(t, atocore.ReadRecords(bytes.NewReader(data))) {
		switch {
		case r.Project != nil:
			got = append(got, "project "+r.Project.Name)
		case r.Memory != nil:
			got = append(got, "memory "+r.Memory.Project)
		case r.State != nil:
			got = append(got, "state "+r.State.Project)
		case r.Document != nil:
			got = append(got, "document "+r.Document.Project)
		case r.Interaction != nil:
			got = append(got, "interaction "+r.Interaction.Project)
		case r.Probe != nil:
			got = append(got, "probe "+r.Probe.Project)
		}
	}
	want := []string{"project harbour", "state harbour", "memory harbour", "memory harbour", "memory harbour", "memory harbour", "document harbour", "interaction harbour", "probe harbour"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	for _, o := range []atocore.ExportOptions{{Project: "nowhere"}, {Project: "harbour", Journal: true}} {
		var b bytes.Buffer
		if _, err := s.Export(t.Context(), &b, &o); err == nil || b.Len() > 0 {
			t.Errorf("%+v: got %v and %d bytes", o, err, b.Len())
		}
	}
}

// An original that is not there as it was is left out and reported; the rest goes on.
func TestExportWithoutAnOriginal(t *testing.T) {
	for _, damage := range []func(string) error{os.Remove, func(name string) error { return os.WriteFile(name, []byte("other"), 0o600) }} {
		dir := t.TempDir()
		s := openUnchecked(t, dir, nil)
		clk := newClock()
		fillAll(t, s, clk)
		files := must(filepath.Glob(filepath.Join(dir, "files", "*", "*")))(t)
		if len(files) != 1 {
			t.Fatalf("originals %v", files)
		}
		if err := damage(files[0]); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		report := must(s.Export(t.Context(), &b, nil))(t)
		if len(report.Missing) != 1 {
			t.Errorf("missing: %v", report.Missing)
		}
		copied := openStore(t, nil) // and sound: it does not claim to have it
		must(copied.Import(t.Context(), atocore.ReadRecords(&b), nil))(t)
	}
}

// A reader that fails, and a context that is done, end an export with their error.
func TestExportFails(t *testing.T) {
	s := openStore(t, nil)
	fillAll(t, s, newClock())
	if _, err := s.Export(t.Context(), failingWriter{}, nil); err == nil || !strings.Contains(err.Error(), "export: no room") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Export(ctx, io.Discard, nil); err == nil {
		t.Error("a cancelled export succeeds")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, fmt.Errorf("no room") }
