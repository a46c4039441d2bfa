package backup_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/backup"
)

var zeros = strings.Repeat("0", 64)

// full is a manifest with every field set.
func full() backup.Manifest {
	sum := strings.Repeat("ab", 32)
	return backup.Manifest{
		Format: 1, Kind: backup.KindStore, Origin: backup.OriginPreRestore, Stamp: "20260409T120000Z", Created: noon,
		Label: "before <the> move & 20 °C", Restoring: "20260408T120000Z",
		Tool:   backup.Tool{Name: "atocore", Version: "v1.2.3", Build: "abc", SQLite: "3.47.0"},
		Schema: 2, Digest: zeros, Counts: map[string]int64{"memories": 3, "fts": 3},
		Space:   &backup.Space{Name: "lexical", Dimensions: 512, Fingerprint: "f\u00a0g"},
		Vectors: true,
		Damaged: []backup.Finding{{Code: "original_missing", Path: "files/x", Expected: "3 bytes", Found: "no file", Hint: "h"}},
		Files:   []backup.File{{Path: "atocore.db", Size: 4096, SHA256: zeros}, {Path: "files/ab/" + sum, Size: 1, SHA256: sum}},
	}
}

func encode(t testing.TB, m backup.Manifest) []byte {
	t.Helper()
	b, _, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The manifest comes back as it was written, and its checksum can be had by hand:
// it is the last line but one, over all that is before its digits.
func TestManifestComesBack(t *testing.T) {
	want := full()
	b, wantSum, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, sum, f := backup.ParseManifest(b)
	if f != nil {
		t.Fatal(f)
	}
	if d := cmp.Diff(want, got); d != "" || sum != wantSum {
		t.Errorf("sum %s, want %s; manifest (-want +got):\n%s", sum, wantSum, d)
	}
	if !bytes.Contains(b, []byte("before <the> move & 20 °C")) {
		t.Errorf("the label is not to be read in %s", b)
	}
	byHand := sha256.Sum256(b[:len(b)-68])
	if hex.EncodeToString(byHand[:]) != sum || !bytes.HasSuffix(b, []byte(",\n  \"sha256\": \""+sum+"\"\n}\n")) {
		t.Errorf("the file ends in %q", b[len(b)-90:])
	}

	raw := want
	raw.Kind, raw.Digest, raw.Space, raw.Damaged = backup.KindRaw, "", nil, nil
	raw.Files = []backup.File{{Path: "atocore.db-wal", SHA256: zeros}, {Path: "files/ü/b c", SHA256: zeros}}
	if got, _, f := backup.ParseManifest(encode(t, raw)); f != nil || !cmp.Equal(raw, got) {
		t.Errorf("raw: %v\n%s", f, cmp.Diff(raw, got))
	}
}

// Whatever a manifest says that this program does not write is refused.
func TestHostileManifests(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	path := func(p string) func(*backup.Manifest) { return func(m *backup.Manifest) { m.Files[1].Path = p } }
	rawPath := func(p string) func(*backup.Manifest) {
		return func(m *backup.Manifest) { m.Kind, m.Files[1].Path = backup.KindRaw, p }
	}
	for name, change := range map[string]func(*backup.Manifest){
		"format 0":               func(m *backup.Manifest) { m.Format = 0 },
		"format -1":              func(m *backup.Manifest) { m.Format = -1 },
		"kind":                   func(m *backup.Manifest) { m.Kind = "other" },
		"origin":                 func(m *backup.Manifest) { m.Origin = "other" },
		"stamp":                  func(m *backup.Manifest) { m.Stamp = "../../x" },
		"restoring":              func(m *backup.Manifest) { m.Restoring = "../../x" },
		"schema":                 func(m *backup.Manifest) { m.Schema = -1 },
		"digest":                 func(m *backup.Manifest) { m.Digest = strings.ToUpper(sum) },
		"no digest, no reason":   func(m *backup.Manifest) { m.Digest, m.Damaged = "", nil },
		"space":                  func(m *backup.Manifest) { m.Space.Dimensions = 0 },
		"space with an escape":   func(m *backup.Manifest) { m.Space.Name = "\x1b[2J" },
		"label with an escape":   func(m *backup.Manifest) { m.Label = "\x1b[2J" },
		"label with a new line":  func(m *backup.Manifest) { m.Label = "a\nb" },
		"label turned round":     func(m *backup.Manifest) { m.Label = "a\u202eb" },
		"long label":             func(m *backup.Manifest) { m.Label = strings.Repeat("x", 201) },
		"tool with an escape":    func(m *backup.Manifest) { m.Tool.Version = "\x1b[2J" },
		"finding with an escape": func(m *backup.Manifest) { m.Damaged[0].Found = "\x1b[2J" },
		"table with an escape":   func(m *backup.Manifest) { m.Counts["\x1b[2J"] = 1 },
		"fewer rows than none":   func(m *backup.Manifest) { m.Counts["memories"] = -1 },
		"no files":               func(m *backup.Manifest) { m.Files = nil },
		"no database":            func(m *backup.Manifest) { m.Files = m.Files[1:] },
		"not sorted":             func(m *backup.Manifest) { slices.Reverse(m.Files) },
		"twice":                  func(m *backup.Manifest) { m.Files[1] = m.Files[0] },
		"size -1":                func(m *backup.Manifest) { m.Files[1].Size = -1 },
		"an absurd size":         func(m *backup.Manifest) { m.Files[1].Size = 1 << 60 },
		"sizes that overflow":    func(m *backup.Manifest) { m.Files[0].Size, m.Files[1].Size = 1<<50, 1<<50 },
		"hash":                   func(m *backup.Manifest) { m.Files[1].SHA256 = "" },
		"hash in capitals":       func(m *backup.Manifest) { m.Files[1].SHA256 = strings.ToUpper(sum) },

		"no path":                 path(""),
		"absolute":                path("/etc/passwd"),
		"up":                      path("files/../../x"),
		"the manifest":            path("manifest.json"),
		"another file":            path("b"),
		"a log":                   path("atocore.db-wal"),
		"an original elsewhere":   path("files/cd/" + sum),
		"an original in capitals": path("files/AB/" + strings.ToUpper(sum)),
		"an original too deep":    path("files/ab/x/" + sum),
		"dot":                     path("files/./ab/" + sum),
		"two slashes":             path("files//" + sum),

		"raw: absolute":      rawPath("/files/x"),
		"raw: up":            rawPath("files/../x"),
		"raw: only up":       rawPath(".."),
		"raw: backslash":     rawPath(`files\..\..\x`),
		"raw: backslash in":  rawPath(`files/..\..\x`),
		"raw: not in files":  rawPath("filesx/y"),
		"raw: files":         rawPath("files"),
		"raw: trailing":      rawPath("files/x/"),
		"raw: a zero byte":   rawPath("files/a\x00b"),
		"raw: a new line":    rawPath("files/a\nb"),
		"raw: the manifest":  rawPath("manifest.json"),
		"raw: long":          rawPath("files/" + strings.Repeat("x", 2000)),
		"raw: half the name": rawPath("atocore.db-"),
	} {
		m := full()
		change(&m)
		if m, _, f := backup.ParseManifest(encode(t, m)); f == nil || f.Code != "manifest_hostile" {
			t.Errorf("%s: got %+v, %+v", name, f, m)
		}
	}
	if backup.CheckPath("files/\xff", backup.KindRaw) == nil {
		t.Error("a path that is not UTF-8 is accepted")
	}
	for _, name := range []string{"files/C:x", "files/a:b", "files/NUL", "C:/x"} {
		if err := backup.CheckPath(name, backup.KindRaw); err == nil && runtime.GOOS == "windows" {
			t.Errorf("%s is accepted", name)
		}
	}
}

// sealed gives a manifest's bytes with a checksum that agrees.
func sealed(body string) []byte {
	covered := strings.TrimSuffix(body, "\n}\n") + backup.SumBefore
	return []byte(covered + sumOf([]byte(covered)) + backup.SumAfter)
}

func TestManifestsThatAreNone(t *testing.T) {
	good := full()
	text := string(encode(t, good))
	body := text[:strings.LastIndex(text, backup.SumBefore)] + "\n}\n"
	if _, _, f := backup.ParseManifest(sealed(body)); f != nil {
		t.Fatal(f)
	}
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                 {nil, "manifest_checksum"},
		"no checksum":           {[]byte(body), "manifest_checksum"},
		"a line end less":       {[]byte(strings.TrimSuffix(text, "\n")), "manifest_checksum"},
		"something after":       {[]byte(text + "\n"), "manifest_checksum"},
		"a checksum in capital": {[]byte(text[:len(text)-68] + strings.ToUpper(text[len(text)-68:])), "manifest_checksum"},
		"a checksum of another": {[]byte("{\"format\": 1, \"sha256\":\"" + sumOf([]byte("{\"format\": 1, \"sha256\":\"")) + backup.SumAfter), "manifest_checksum"},
		"no JSON":               {sealed("x"), "manifest_unreadable"},
		"no version":            {sealed("{\n  \"x\": 1\n}\n"), "manifest_hostile"},
		"a list":                {sealed("[1\n}\n"), "manifest_unreadable"},
		"an unknown field":      {sealed(strings.Replace(body, `"label"`, `"more": 1, "label"`, 1)), "manifest_hostile"},
		"an unknown part":       {sealed(strings.Replace(body, `"build"`, `"more": 1, "build"`, 1)), "manifest_hostile"},
		"an unknown file field": {sealed(strings.Replace(body, `"size"`, `"mode": 1, "size"`, 1)), "manifest_hostile"},
		"no stamp":              {sealed(strings.Replace(body, `"stamp"`, `"label"`, 1)), "manifest_hostile"},
		"files no list":         {sealed(strings.Replace(body, `"files": [`, `"files": {}, "label": [`, 1)), "manifest_hostile"},
		"no time":               {sealed(strings.Replace(body, "2026-04-09T", "0001-01-01T", 1)), "manifest_hostile"},
		"another time":          {sealed(strings.Replace(body, "2026-04-09T", "10000-04-09T", 1)), "manifest_hostile"},
		"a number too large":    {sealed(strings.Replace(body, `"size": 4096`, `"size": 1e99`, 1)), "manifest_hostile"},
		"deep":                  {sealed("{\n  \"format\": " + strings.Repeat("[", 1<<20) + "\n}\n"), "manifest_unreadable"},
		"a later format":        {sealed("{\n  \"format\": 2,\n  \"all\": \"else\"\n}\n"), "manifest_version"},
		"large":                 {make([]byte, backup.MaxManifest+1), "manifest_hostile"},
	} {
		if _, _, f := backup.ParseManifest(test.data); f == nil || f.Code != test.want {
			t.Errorf("%s: got %+v, want %s", name, f, test.want)
		}
	}
}

// A manifest that is large because it means harm takes no memory to speak of: some
// times its own size, whatever it lists.
func TestManifestBombs(t *testing.T) {
	good := full()
	text := string(encode(t, good))
	head := text[:strings.Index(text, `  "files"`)]
	const n = 2 << 20
	for name, body := range map[string]string{
		"empty files":  head + `"files": [` + strings.Repeat("{},", n/3) + "{}]\n}\n",
		"empty lists":  head + `"files": [` + strings.Repeat("[],", n/3) + "[]]\n}\n",
		"tables":       strings.Replace(head, `"counts": {`, `"counts": {"x": 1`+strings.Repeat(`,"x":1`, n/6)+",", 1) + "\"files\": []\n}\n",
		"damages":      strings.Replace(head, `"damaged": [`, `"damaged": [`+strings.Repeat("{},", n/3), 1) + "\"files\": []\n}\n",
		"a long label": strings.Replace(head, "before", strings.Repeat("x", n), 1) + "\"files\": []\n}\n",
	} {
		data := sealed(body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, f := backup.ParseManifest(data)
		runtime.ReadMemStats(&after)
		if f == nil || f.Code != "manifest_hostile" {
			t.Errorf("%s: got %+v", name, f)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 6*uint64(len(data))+(16<<20) {
			t.Errorf("%s: %d MiB for %d MiB", name, took>>20, len(data)>>20)
		}
	}
}

func FuzzManifest(f *testing.F) {
	m := full()
	b, _, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	text := string(b)
	f.Add(text[:strings.LastIndex(text, backup.SumBefore)] + "\n}\n")
	m.Kind, m.Files[1].Path = backup.KindRaw, "files/x"
	b, _, err = m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	text = string(b)
	f.Add(text[:strings.LastIndex(text, backup.SumBefore)] + "\n}\n")
	f.Add("{\n  \"format\": 2\n}\n")
	f.Add(`{"files":[{"path":"files/../x"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		// As it is: the checksum keeps nearly everything out. With one that agrees:
		// the rest is up to the reader.
		if _, _, f := backup.ParseManifest([]byte(body)); f == nil && !strings.HasSuffix(body, backup.SumAfter) {
			t.Error("no checksum")
		}
		m, sum, f := backup.ParseManifest(sealed(body))
		if f != nil {
			if m.Files != nil || f.Code == "" || f.Hint == "" {
				t.Errorf("%+v with %+v", f, m)
			}
			return
		}
		if len(sum) != 64 || m.Format != backup.FormatVersion || !backup.IsStamp(m.Stamp) {
			t.Errorf("got %+v", m)
		}
		for i, file := range m.Files {
			local, err := filepath.Localize(file.Path)
			if err != nil || !filepath.IsLocal(local) || strings.ContainsAny(file.Path, "\\\x00\n") {
				t.Errorf("path %q leads out", file.Path)
			}
			if i > 0 && m.Files[i-1].Path >= file.Path {
				t.Errorf("%q does not come after %q", file.Path, m.Files[i-1].Path)
			}
			if file.Size < 0 {
				t.Errorf("%q has %d bytes", file.Path, file.Size)
			}
		}
		// What was accepted is written and read again as the same.
		b, _, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, _, f := backup.ParseManifest(b); f != nil || !cmp.Equal(m, again) {
			t.Errorf("%v\n%s", f, cmp.Diff(m, again))
		}
	})
}

// A pipe in the manifest's place is not waited for, and a huge file not read.
func TestReadManifestOfOddFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "20260409T120000Z")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, backup.ManifestName)
	writeFile(t, name, "")
	truncate(t, name, 1<<40)
	_, _, err := backup.ReadManifest(dir)
	if err == nil || !strings.Contains(fmt.Sprint(err), "manifest_hostile") {
		t.Errorf("got %v", err)
	}
	remove(t, name)
	if !makePipe(t, name) {
		return
	}
	if _, _, err := backup.ReadManifest(dir); err == nil || !strings.Contains(fmt.Sprint(err), "a pipe") {
		t.Errorf("got %v", err)
	}
}

// docs/format.md has every field, with the checksum where it says.
func TestFormatPageIsComplete(t *testing.T) {
	page := string(readFile(t, filepath.Join("..", "docs", "format.md")))
	m := reflect.TypeFor[backup.Manifest]()
	for _, typ := range []reflect.Type{m, reflect.TypeFor[backup.File](), reflect.TypeFor[backup.Space](), reflect.TypeFor[backup.Finding](), reflect.TypeFor[backup.CheckRecord]()} {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "" || !strings.Contains(page, "`"+name+"`") && name != "tool" {
				t.Errorf("%s.%s, %q, is not on the page", typ.Name(), typ.Field(i).Name, name)
			}
		}
	}
	for i := range reflect.TypeFor[backup.Tool]().NumField() {
		if name := reflect.TypeFor[backup.Tool]().Field(i).Tag.Get("json"); !strings.Contains(page, "."+name+"`") {
			t.Errorf("tool.%s is not on the page", name)
		}
	}
	if last := m.Field(m.NumField() - 1).Name; last != "Files" {
		t.Errorf("the last field is %s", last)
	}
	for _, kind := range []string{"`store`", "`raw`", "`manual`", "`pre-restore`", "`drill`", fmt.Sprintf("this format: %d", backup.FormatVersion)} {
		if !strings.Contains(page, kind) {
			t.Errorf("%s is not on the page", kind)
		}
	}
}
