package index

import (
	"encoding/json"
	"slices"
	"time"
)

// A Unit is one thing that search can find, as its row has it.
type Unit struct {
	Kind     string // memory, state, chunk or interaction
	ID       string
	Document string // of a chunk
	Project  string // empty is global
	Type     string
	Status   string
	Tags     string // a JSON array, as the record stores it

	Time        time.Time // the record's own
	From, Until time.Time // when it holds; zero is open

	// MadeFrom stands for the texts that terms and vector are made from. A unit
	// whose texts change is replaced by another.
	MadeFrom int64

	// Formerly is what MadeFrom would be before the day of a record was searched.
	// The vector of such a unit stands for the same text.
	Formerly int64

	Confidence float64
	Thread     int64 // the conversation that it is said in; 0 is none
	Place      int64 // its place in there: any numbers that ascend
	Siblings   int   // pieces of its document, itself included

	HeadLength, BodyLength int // in terms; set by Writer.Put
}

// The kinds, types and statuses that filters know, as small numbers. What is not
// listed is 0, which no filter asks for.
var (
	kindNames   = []string{"", "memory", "state", "chunk", "interaction"}
	typeNames   = []string{"", "identity", "preference", "project", "episodic", "knowledge", "adaptation"}
	statusNames = []string{"", "candidate", "active", "superseded", "invalid"}
)

const (
	kindMemory   = 1
	statusActive = 2
)

func number(names []string, name string) uint8 { return uint8(max(0, slices.Index(names, name))) }

// mask is the set of the named ones, as bits; all of them where none is named.
func mask(names []string, wanted []string) uint32 {
	if len(wanted) == 0 {
		return ^uint32(0)
	}
	var m uint32
	for _, w := range wanted {
		if n := number(names, w); n > 0 {
			m |= 1 << n
		}
	}
	return m
}

const unitColumns = `kind, id, document, project, type, status, tags, time, valid_from, valid_until, made_from,
	confidence, thread, place, siblings, head_length, body_length`

func (u *Unit) args() []any {
	return []any{u.Kind, u.ID, null(u.Document), null(u.Project), u.Type, u.Status, u.Tags, timeText(u.Time), nullTime(u.From),
		nullTime(u.Until), u.MadeFrom, u.Confidence, u.Thread, u.Place, u.Siblings, u.HeadLength, u.BodyLength}
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// timeFormat is that of every time in a store: UTC, fixed width.
const timeFormat = "2006-01-02T15:04:05.000000Z"

func timeText(t time.Time) string { return t.UTC().Format(timeFormat) }

func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return timeText(t)
}

// micros reads a stored time as microseconds since 1970. What is none is 0.
func micros(s string) int64 {
	if t, err := time.Parse(timeFormat, s); err == nil {
		return t.UnixMicro()
	}
	return 0
}

// A row is a unit's row as the index keeps it in memory.
type row struct {
	kind, typ, status uint8
	project, tags     string
	document          uint64
	time              int64 // microseconds since 1970
	from, until       int64 // likewise; open is minTime and maxTime
	confidence        float64
	thread, place     int64
	siblings          uint32
	head, body        uint32 // lengths in terms
}

// An open validity: before and after everything.
const (
	minTime = -1 << 62
	maxTime = 1 << 62
)

const rowColumns = `kind, type, status, project, tags, document, time, valid_from, valid_until, confidence,
	thread, place, siblings, head_length, body_length`

// scanRow reads the columns of rowColumns, the first of them at first.
func scanRow(values []any) row {
	text := func(i int) string { s, _ := values[i].(string); return s }
	whole := func(i int) int64 { n, _ := values[i].(int64); return n }
	r := row{
		kind: number(kindNames, text(0)), status: number(statusNames, text(2)),
		project: text(3), tags: text(4), time: micros(text(6)), from: minTime, until: maxTime,
		thread: whole(10), place: whole(11), siblings: uint32(whole(12)), head: uint32(whole(13)), body: uint32(whole(14)),
	}
	if r.kind == kindMemory {
		r.typ = number(typeNames, text(1))
	}
	if id := text(5); id != "" {
		r.document = hash(id)
	}
	if s := text(7); s != "" {
		r.from = micros(s)
	}
	if s := text(8); s != "" {
		r.until = micros(s)
	}
	r.confidence, _ = values[9].(float64)
	return r
}

// hash is FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/. 0, which
// stands for nothing, is no hash.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return max(h, 1)
}

// Thread is what units have in common that are said in one conversation.
func Thread(parts ...string) int64 {
	var key []byte
	for _, p := range parts {
		key = append(append(key, p...), 0)
	}
	return int64(hash(string(key)))
}

// tagList parses a JSON array of tags.
func tagList(s string) []string {
	if s == "" || s == "[]" {
		return nil
	}
	var tags []string
	_ = json.Unmarshal([]byte(s), &tags) // the record's own column is held to be JSON
	return tags
}
