package importers

import (
	"bytes"

	"github.com/atocore/atocore"
)

// What tests hold against the store.
const (
	MaxName     = maxName
	MaxTags     = maxTags
	MaxMetadata = maxMetadata
	MaxValue    = maxValue
)

// DocPath makes a path of a name.
func DocPath(name string) string { return docPath(name) }

// Graph is a source of the lines of an MCP memory server.
func Graph(lines []byte) *Source {
	s := &Source{From: "mcp-memory", label: "mcp-memory"}
	s.records = func(yield func(atocore.Record, error) bool) { readGraph(s, bytes.NewReader(lines), yield) }
	return s
}
