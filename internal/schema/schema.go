// Package schema is the one place that knows the tables of a store: the
// migrations that make them and the digest over what they hold. It knows no
// types of records, so that a store can be checked and saved by code that
// cannot open it.
package schema

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"github.com/atocore/atocore/internal/sqlite"
)

// ApplicationID marks a SQLite file as an atocore store: the bytes "atoc".
const ApplicationID int32 = 0x61746f63

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the steps from an empty file to the present schema, in
// order. A step that has been released never changes.
func Migrations() []sqlite.Migration {
	names, err := fs.Glob(files, "migrations/*.sql") // sorted
	if err != nil {
		panic(err) // the pattern is a constant
	}
	out := make([]sqlite.Migration, 0, len(names))
	for _, name := range names {
		sql, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it was just listed
		}
		out = append(out, sqlite.Migration{Name: strings.TrimPrefix(name, "migrations/"), SQL: string(sql)})
	}
	return out
}

// A table is one of the tables that the digest covers.
type table struct {
	Name    string
	Columns []string // in the order in which they are hashed
	Key     string   // the order of the rows
}

// tables lists what a store holds beyond what can be derived from it: the
// records and the journal. Keys derived from a record's content are left out.
var tables = []table{
	{"projects", []string{"name", "aliases", "description", "created_at", "updated_at"}, "name"},
	{"memories", []string{"id", "type", "status", "content", "project", "confidence", "tags", "metadata",
		"actor", "client", "session", "speaker", "source", "valid_from", "valid_until", "reinforced", "reinforced_at",
		"supersedes", "superseded_by", "reason", "created_at", "updated_at"}, "id"},
	{"state", []string{"id", "project", "category", "key", "value", "source", "actor", "created_at", "updated_at"}, "id"},
	{"documents", []string{"id", "project", "origin", "path", "title", "summary", "media_type", "sha256", "size", "tags", "metadata",
		"session", "speaker", "time", "kept", "actor", "created_at", "updated_at"}, "id"},
	{"chunks", []string{"id", "document", "ordinal", "heading", "start", "end", "text"}, "document, ordinal"},
	{"interactions", []string{"id", "project", "session", "turn", "client", "actor", "prompt", "response", "metadata", "created_at"}, "id"},
	{"tombstones", []string{"id", "entity", "reason", "forgotten_at"}, "id"},
	{"journal", []string{"seq", "time", "actor", "op", "entity", "entity_id", "before", "after"}, "seq"},
}

// Digest is the SHA-256, in hexadecimal, over everything that tables lists, and how
// many rows each has. Two stores with equal digests hold the same.
//
// The hashed form is, for each table in order, its name, the number of its
// columns and, for each row by its key, each value as a type byte (0 NULL,
// 1 integer, 2 float, 3 text, 4 blob) followed by the value: integers and
// floats as 8 bytes, big endian, text and blobs after their length in the same
// form. A row begins with the byte 0xfe, a table ends with 0xff.
func Digest(tx *sqlite.Tx) (digest string, rows map[string]int64, err error) {
	h := sha256.New()
	rows = map[string]int64{}
	var b []byte // what is hashed next
	for _, t := range tables {
		b = appendValue(b[:0], t.Name)
		b = appendNumber(b, 1, uint64(len(t.Columns)))
		values := make([]any, len(t.Columns))
		query := `SELECT "` + strings.Join(t.Columns, `", "`) + `" FROM ` + t.Name + ` ORDER BY ` + t.Key
		for r, err := range tx.Query(query) {
			if err != nil {
				return "", nil, fmt.Errorf("digest of %s: %w", t.Name, err)
			}
			b = append(b, 0xfe)
			r.Values(values)
			for _, v := range values {
				b = appendValue(b, v)
			}
			h.Write(b)
			b = b[:0]
			rows[t.Name]++
		}
		h.Write(append(b, 0xff))
	}
	return hex.EncodeToString(h.Sum(nil)), rows, nil
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case int64:
		return appendNumber(b, 1, uint64(v))
	case float64:
		return appendNumber(b, 2, math.Float64bits(v))
	case string:
		return append(appendNumber(b, 3, uint64(len(v))), v...)
	case []byte:
		return append(appendNumber(b, 4, uint64(len(v))), v...)
	}
	return append(b, 0)
}

func appendNumber(b []byte, kind byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, kind), v)
}
