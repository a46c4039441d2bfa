package importers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/atocore/atocore"
)

// What the store takes at most of what has no bound elsewhere; a test holds these
// against it.
const (
	maxName     = 1 << 10
	maxTags     = 64
	maxMetadata = 64
	maxValue    = 16 << 10
)

// line makes any text a name: one line, without control characters, of at most
// maxName bytes.
func line(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	}), " ")
	return cut(strings.ToValidUTF8(s, "\uFFFD"), maxName)
}

// cut shortens s to at most n bytes at the start of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// text is s as the store takes texts: UTF-8 without NUL. Where something had to be
// replaced, a note says so.
func (s *Source) text(key, t string) string {
	clean := strings.ReplaceAll(strings.ToValidUTF8(t, "\uFFFD"), "\x00", "\uFFFD")
	if clean != t {
		s.note("%s: bytes that are no text stand as U+FFFD", key)
	}
	return clean
}

// key identifies a record of the source.
func (s *Source) key(parts ...string) string {
	full := s.label + ":" + strings.Join(parts, "/")
	k := line(full)
	if k == full {
		return k
	}
	// What line took away may have been all the difference.
	return cut(k, maxName/2) + "~" + hash(full)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// tags are the words as tags, each once.
func (s *Source) tags(key string, words ...string) []string {
	var out []string
	for _, w := range words {
		if w = line(w); w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	if len(out) > maxTags {
		s.note("%s: %d tags beyond the first %d are left out", key, len(out)-maxTags, maxTags)
		out = out[:maxTags]
	}
	slices.Sort(out)
	return out
}

// metadata is m within the store's bounds.
func (s *Source) metadata(key string, m map[string]string) map[string]string {
	out := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		name, value := line(k), m[k]
		if _, twice := out[name]; twice || name == "" {
			s.note("%s: metadata %q is left out: that is no key, or one that is there already", key, name)
			continue
		}
		if len(out) == maxMetadata {
			s.note("%s: metadata %q is left out: there are more than %d keys", key, name, maxMetadata)
			continue
		}
		if value = s.text(key, value); len(value) > maxValue {
			s.note("%s: metadata %q is cut: it has %d bytes, more than %d", key, name, len(value), maxValue)
			value = cut(value, maxValue)
		}
		out[name] = value
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// docPath makes any name the path of a document, different ones of different names.
func docPath(name string) string {
	var segments []string
	for _, segment := range strings.Split(name, "/") {
		switch segment {
		case "":
			segment = "%"
		case ".", "..":
			segment = strings.ReplaceAll(segment, ".", "%2E")
		default:
			var b strings.Builder
			for _, r := range segment {
				switch {
				case r == '%', unicode.IsControl(r), r == '\u2028', r == '\u2029', r == utf8.RuneError:
					fmt.Fprintf(&b, "%%%02X", r)
				default:
					b.WriteRune(r)
				}
			}
			segment = b.String()
		}
		segments = append(segments, segment)
	}
	p := strings.Join(segments, "/")
	if len(p) > maxName || !fs.ValidPath(p) {
		p = strings.TrimSuffix(cut(p, maxName/2), "/") + "~" + hash(name)
	}
	return p
}

// filled are the values of m that are not empty.
func filled(m map[string]string) map[string]string {
	maps.DeleteFunc(m, func(_, v string) bool { return strings.TrimSpace(v) == "" })
	return m
}

// A statement is a memory on its way out, or a document where it is too long for a
// memory.
type statement struct {
	memory atocore.Memory
	key    string
	title  string // of the document
	path   string // of the document, within the program's origin
}

func (s *Source) statement(st statement) atocore.Record {
	m := st.memory
	m.Content = s.text(st.key, m.Content)
	if len(m.Content) <= atocore.MaxMemoryBytes {
		return atocore.Record{Memory: &m, Key: st.key}
	}
	d := atocore.Document{
		Project: m.Project, Origin: m.Provenance.Client, Path: st.path, Title: line(st.title), MediaType: atocore.MediaMarkdown,
		Tags: m.Tags, Metadata: m.Metadata, Session: m.Provenance.Session, Time: firstTime(m.ValidFrom, m.CreatedAt), CreatedAt: m.CreatedAt,
	}
	return atocore.Record{Document: &d, Text: m.Content, Key: st.key}
}

func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// moment reads a time as programs write it into text columns, UTC where it has no
// zone. Zero where it is none.
func moment(s string) time.Time {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return sane(t)
		}
	}
	return time.Time{}
}

// millis is a time in milliseconds since 1970. Zero where it is none.
func millis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return sane(time.UnixMilli(ms))
}

// sane is t where the store can hold it.
func sane(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// titled is a text below its title, which is not said twice.
func titled(title, text string) string {
	title, text = strings.TrimSpace(title), strings.TrimSpace(text)
	switch {
	case title == "" || strings.HasPrefix(text, title):
		return text
	case text == "":
		return title
	}
	return title + "\n" + text
}

// A projects remembers which projects have been yielded.
type projects map[string]bool

// yield hands on the project of that name, once, and gives the name as the store
// takes it.
func (p projects) yield(s *Source, name string, yield yielder) (string, error) {
	name = line(name)
	if name == "" || p[name] {
		return name, nil
	}
	p[name] = true
	return name, yield(atocore.Record{Project: &atocore.Project{Name: name}, Key: s.key("project", name)})
}

// tooLong is why a row is left out.
func tooLong(column string, size int64) string {
	return fmt.Sprintf("its %s has %d bytes, more than %d", column, size, atocore.MaxDocumentBytes)
}
