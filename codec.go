package atocore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// timeFormat is how times are stored: UTC, fixed width, so that text order is
// time order.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// storedTime is t as a round trip through the store gives it back.
func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func timeText(t time.Time) string { return t.UTC().Format(timeFormat) }

// values are the columns of a row, as they are stored: to ask for them together is
// several times as fast as for each.
type values [24]any

func (v *values) text(i int) string   { s, _ := v[i].(string); return s }
func (v *values) int(i int) int64     { n, _ := v[i].(int64); return n }
func (v *values) float(i int) float64 { f, _ := v[i].(float64); return f }

func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timeText(t)
}

func parseTime(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	// Only the store writes these columns, in this form; a value that somebody
	// else put there reads as no time.
	t, _ := time.Parse(timeFormat, s)
	return t
}

func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func nullString(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// jsonText encodes a tag list, heading path or metadata map; empty for nil.
func jsonText[T []string | map[string]string](v T, empty string) string {
	if len(v) == 0 {
		return empty
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(data)
}

func parseTags(s string) []string {
	if s == "[]" {
		return nil
	}
	var v []string
	_ = json.Unmarshal([]byte(s), &v) // the column's CHECK holds it to be JSON
	return v
}

func parseMetadata(s string) map[string]string {
	if s == "{}" {
		return nil
	}
	var v map[string]string
	_ = json.Unmarshal([]byte(s), &v) // likewise
	return v
}

func lowerID(id fmt.Stringer) string { return strings.ToLower(id.String()) }

// speak is a text with who says it, as it is embedded.
func speak(speaker, text string) string {
	if speaker == "" {
		return text
	}
	return speaker + ": " + text
}

// dateWords are the words by which a question names a day; none for a record that
// has no date of its own.
func dateWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("January 2 2006")
}

// joinText joins the parts that are not empty by newlines.
func joinText(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n")
}

func joinNames[T ~string](names []T) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}

// Bounds of input. They are generous for what people write, and small enough
// that no value troubles the engine's memory.
const (
	maxNameBytes  = 1 << 10
	maxTags       = 64
	maxMetadata   = 64
	maxValueBytes = 16 << 10
)

func invalid(field, reason, hint string) error {
	return &InvalidError{Field: field, Reason: reason, Hint: hint}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkText holds a required text to its bounds: UTF-8, no NUL, not blank.
func checkText(field, s string, limit int, hint string) error {
	if strings.TrimSpace(s) == "" {
		return invalid(field, "is empty", "")
	}
	return checkOptional(field, s, limit, hint)
}

// checkOptional is checkText for a text that may be empty.
func checkOptional(field, s string, limit int, hint string) error {
	if len(s) > limit {
		return invalid(field, fmt.Sprintf("has %d bytes, more than %d", len(s), limit), hint)
	}
	if i := strings.IndexByte(s, 0); i >= 0 {
		return invalid(field, fmt.Sprintf("has a NUL byte at offset %d", i), "give text")
	}
	if !utf8.ValidString(s) {
		return invalid(field, fmt.Sprintf("is not UTF-8 at offset %d", firstInvalid(s)), "convert it first")
	}
	return nil
}

// firstInvalid is where s ceases to be UTF-8.
func firstInvalid(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// checkName is checkOptional for one line: names, keys, identifiers.
func checkName(field, s string) error {
	if i := strings.IndexFunc(s, breaksLine); i >= 0 {
		return invalid(field, fmt.Sprintf("has a control character at offset %d", i), "give one line of text")
	}
	return checkOptional(field, s, maxNameBytes, "")
}

// breaksLine reports whether r has no place in one line of text.
func breaksLine(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// checkTime refuses what the fixed-width form cannot hold.
func checkTime(field string, t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return invalid(field, fmt.Sprintf("is in the year %d", y), "use a year from 1 to 9999")
	}
	return nil
}

func checkTags(field string, tags []string) error {
	if len(tags) > maxTags {
		return invalid(field, fmt.Sprintf("are %d, more than %d", len(tags), maxTags), "")
	}
	for i, t := range tags {
		f := fmt.Sprintf("%s[%d]", field, i)
		if strings.TrimSpace(t) == "" {
			return invalid(f, "is empty", "")
		}
		if err := checkName(f, t); err != nil {
			return err
		}
	}
	return nil
}

func checkMetadata(field string, m map[string]string) error {
	if len(m) > maxMetadata {
		return invalid(field, fmt.Sprintf("has %d keys, more than %d", len(m), maxMetadata), "")
	}
	for k, v := range m {
		if k == "" {
			return invalid(field, "has an empty key", "")
		}
		if err := firstError(checkName(field+" key", k), checkOptional(field+"."+k, v, maxValueBytes, "")); err != nil {
			return err
		}
	}
	return nil
}

func checkTypes(types []MemoryType) error {
	for _, t := range types {
		if !slices.Contains(memoryTypes, t) {
			return invalid("type", fmt.Sprintf("%q is not a memory type", t), "use one of "+joinNames(memoryTypes))
		}
	}
	return nil
}

func checkStatuses(in []Status) error {
	for _, st := range in {
		if !slices.Contains(statuses, st) {
			return invalid("status", fmt.Sprintf("%q is not a status", st), "use one of "+joinNames(statuses))
		}
	}
	return nil
}

// cleanTags trims, sorts and deduplicates.
func cleanTags(tags []string) []string {
	if len(tags) == 0 {
		return nil
	}
	out := make([]string, len(tags))
	for i, t := range tags {
		out[i] = strings.TrimSpace(t)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func hasTags(have, want []string) bool {
	for _, t := range want {
		if !slices.Contains(have, t) {
			return false
		}
	}
	return true
}
