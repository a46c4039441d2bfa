package importers_test

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/atocoretest"
	"github.com/atocore/atocore/adapters/importers"
)

// TestBounds holds the importers' bounds to the store's: what is within them is
// taken, and one more is not.
func TestBounds(t *testing.T) {
	store := atocoretest.NewStore(t, nil)
	for name, make := range map[string]func(n int) (d atocore.Document){
		"name": func(n int) (d atocore.Document) {
			d.Title = strings.Repeat("x", importers.MaxName+n)
			return d
		},
		"tags": func(n int) (d atocore.Document) {
			for i := range importers.MaxTags + n {
				d.Tags = append(d.Tags, "t"+strconv.Itoa(i))
			}
			return d
		},
		"metadata": func(n int) (d atocore.Document) {
			d.Metadata = map[string]string{}
			for i := range importers.MaxMetadata + n {
				d.Metadata["k"+strconv.Itoa(i)] = ""
			}
			return d
		},
		"value": func(n int) (d atocore.Document) {
			d.Metadata = map[string]string{"k": strings.Repeat("x", importers.MaxValue+n)}
			return d
		},
	} {
		for n, want := range []error{nil, atocore.ErrInvalid} {
			d := make(n)
			d.Path, d.MediaType = name, atocore.MediaText
			if _, err := store.AddDocument(t.Context(), d, "text"); !errors.Is(err, want) {
				t.Errorf("%s and %d more: %v, want %v", name, n, err, want)
			}
		}
	}
}

// FuzzDocPath wants a path of every name, and different ones of different names.
func FuzzDocPath(f *testing.F) {
	for _, pair := range [][2]string{{"a/b", "a//b"}, {"", "%"}, {"..", "%2E%2E"}, {".", "./."}, {"a\n", "a%0A"}, {strings.Repeat("x", 2000), strings.Repeat("x", 2001)}, {"\xff", "\uFFFD"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		p, q := importers.DocPath(a), importers.DocPath(b)
		for _, p := range []string{p, q} {
			if !fs.ValidPath(p) || p == "." || len(p) > importers.MaxName {
				t.Errorf("%q is no path", p)
			}
		}
		if p == q && a != b && utf8.ValidString(a) && utf8.ValidString(b) {
			t.Errorf("%q and %q are both %q", a, b, p)
		}
	})
}
