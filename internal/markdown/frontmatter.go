package markdown

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"
)

const (
	// maxFrontMatter is the size in bytes above which front matter is not decoded.
	maxFrontMatter = 64 << 10

	// maxExpanded bounds what front matter may hold once decoded, in bytes:
	// YAML aliases can name one long value a thousand times.
	maxExpanded = 4 * maxFrontMatter

	// maxMetaDepth bounds how deep its lists and maps nest.
	maxMetaDepth = 64
)

type frontMatter struct {
	toml bool
	text []byte // between the delimiter lines
}

// A block between --- lines at the start may also be two thematic breaks with
// prose between them. Front matter begins with a key.
var (
	yamlKey = regexp.MustCompile(`^(?:\s*(?:#.*)?\r?\n)*(?:"[^"\n]*"|'[^'\n]*'|[\pL\pN_$@./-][\pL\pN_$@./ -]*):(?:\s|$)`)
	tomlKey = regexp.MustCompile(`^(?:\s*(?:#.*)?\r?\n)*\s*(?:\[\[?[^\]\n]+\]\]?|(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)(?:\.[A-Za-z0-9_-]+)*\s*=)`)
)

// splitFrontMatter finds front matter at the start of b and the offset behind
// it; nil when there is none.
func splitFrontMatter(b []byte) (*frontMatter, int) {
	open, at := nextLine(b, 0)
	var fm frontMatter
	switch string(open) {
	case "---":
	case "+++":
		fm.toml = true
	default:
		return nil, 0
	}
	for start := at; at < len(b); {
		lineStart := at
		var line []byte
		line, at = nextLine(b, at)
		if string(line) != string(open) && (fm.toml || string(line) != "...") {
			continue
		}
		fm.text = b[start:lineStart]
		key := yamlKey
		if fm.toml {
			key = tomlKey
		}
		if !allBlank(fm.text) && !key.Match(fm.text[:min(len(fm.text), maxFrontMatter)]) {
			return nil, 0
		}
		return &fm, at
	}
	return nil, 0
}

// nextLine gives the line at offset at without white space at its end, and the
// offset of the next one.
func nextLine(b []byte, at int) ([]byte, int) {
	end := len(b)
	if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
		end = at + i + 1
	}
	return bytes.TrimRight(b[at:end], " \t\r\n"), end
}

func (fm *frontMatter) decode() (map[string]any, error) {
	if len(fm.text) > maxFrontMatter {
		return nil, fmt.Errorf("front matter of %d bytes: more than %d", len(fm.text), maxFrontMatter)
	}
	var m map[string]any
	var err error
	if fm.toml {
		err = toml.Unmarshal(fm.text, &m)
	} else {
		err = yaml.Unmarshal(fm.text, &m)
	}
	if err != nil {
		return nil, fmt.Errorf("decode front matter: %w", err)
	}
	budget := maxExpanded
	plain, err := plainValue(m, &budget, 0)
	if err != nil {
		return nil, fmt.Errorf("decode front matter: %w", err)
	}
	m, _ = plain.(map[string]any)
	if m == nil { // an empty block is front matter without values
		m = map[string]any{}
	}
	return m, nil
}

var (
	errExpanded = fmt.Errorf("its aliases expand to more than %d bytes", maxExpanded)
	errDeep     = fmt.Errorf("nested more than %d deep", maxMetaDepth)
)

// plainValue reduces what the decoders give to the types Document.FrontMatter
// promises.
func plainValue(v any, budget *int, depth int) (any, error) {
	spend := func(n int) error {
		if *budget -= n; *budget < 0 {
			return errExpanded
		}
		return nil
	}
	if depth > maxMetaDepth {
		return nil, errDeep
	}
	mapping := func(out map[string]any, key string, v any) error {
		if err := spend(len(key) + 1); err != nil {
			return err
		}
		p, err := plainValue(v, budget, depth+1)
		out[key] = p
		return err
	}
	switch v := v.(type) {
	case nil, bool, int, int64, uint64:
		return v, spend(8)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) { // not in JSON
			return fmt.Sprint(v), spend(8)
		}
		return v, spend(8)
	case string:
		return strings.ToValidUTF8(v, "\uFFFD"), spend(len(v) + 1)
	case time.Time:
		if y := v.Year(); y < 0 || y > 9999 { // not in JSON
			return v.String(), spend(32)
		}
		// A local TOML time has a location of the decoder's own; its
		// wall clock is what was written.
		return time.Date(v.Year(), v.Month(), v.Day(), v.Hour(), v.Minute(), v.Second(), v.Nanosecond(), plainZone(v)), spend(8)
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			p, err := plainValue(e, budget, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, spend(1)
	case []map[string]any: // TOML's array of tables
		out := make([]any, 0, len(v))
		for _, e := range v {
			p, err := plainValue(e, budget, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, spend(1)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if err := mapping(out, strings.ToValidUTF8(k, "\uFFFD"), e); err != nil {
				return nil, err
			}
		}
		return out, spend(1)
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			p, err := plainValue(k, budget, depth+1)
			if err != nil {
				return nil, err
			}
			if err := mapping(out, fmt.Sprint(p), e); err != nil {
				return nil, err
			}
		}
		return out, spend(1)
	default:
		return fmt.Sprint(v), spend(64)
	}
}

// plainZone keeps an offset and drops a named zone.
func plainZone(t time.Time) *time.Location {
	_, offset := t.Zone()
	if offset == 0 || strings.HasSuffix(t.Location().String(), "-local") {
		return time.UTC
	}
	return time.FixedZone("", offset)
}

// describe fills what follows from the front matter.
func (d *Document) describe() {
	d.Title = oneLine(strings.Join(words(lookup(d.FrontMatter, "title")), " "))
	var lines []string
	for _, key := range []string{"description", "summary", "subtitle", "excerpt", "abstract", "linktitle", "aliases", "alias"} {
		for _, s := range words(lookup(d.FrontMatter, key)) {
			s = oneLine(s)
			if s != "" && s != d.Title && !slices.Contains(lines, s) && len(lines) < 256 {
				lines = append(lines, s)
			}
		}
	}
	d.Summary = strings.Join(lines, "\n")
	seen := map[string]bool{}
	for _, key := range []string{"tags", "tag", "keywords", "keyword"} {
		for _, t := range tagList(lookup(d.FrontMatter, key)) {
			if !seen[t] {
				seen[t] = true
				d.Tags = append(d.Tags, t)
			}
		}
	}
}

// lookup finds a key whatever its case; of several the first in order.
func lookup(m map[string]any, key string) any {
	if v, ok := m[key]; ok {
		return v
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if strings.EqualFold(k, key) {
			return m[k]
		}
	}
	return nil
}

// words are the texts of a scalar or of a list of scalars.
func words(v any) []string {
	switch v := v.(type) {
	case nil, map[string]any:
		return nil
	case string:
		return []string{v}
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return []string{v.Format(time.DateOnly)}
		}
		return []string{v.Format(time.RFC3339)}
	case []any:
		var all []string
		for _, e := range v {
			if _, nested := e.([]any); !nested {
				all = append(all, words(e)...)
			}
		}
		return all
	default:
		return []string{fmt.Sprint(v)}
	}
}

// tagList reads a list, or a string with commas or blanks between the tags.
func tagList(v any) []string {
	parts := words(v)
	if s, ok := v.(string); ok {
		if strings.ContainsAny(s, ",;") {
			parts = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' })
		} else {
			parts = strings.Fields(s)
		}
	}
	var tags []string
	for _, p := range parts {
		if p = oneLine(strings.TrimPrefix(strings.TrimSpace(p), "#")); p != "" {
			tags = append(tags, p)
		}
	}
	return tags
}
