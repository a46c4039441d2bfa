package importers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/foreign"
)

// maxGraphLine bounds a line of the MCP memory server's file, which has one entity
// with all that is known of it.
const maxGraphLine = 64 << 20

// openMCPMemory opens the JSON Lines of the MCP reference memory server.
func openMCPMemory(ctx context.Context, s *Source, path string, o *Options) error {
	name, remove, err := foreign.CopyFile(ctx, path, o.TempDir)
	if err != nil {
		return err
	}
	s.close = remove
	if err := s.checkGraph(name, path); err != nil {
		return err
	}
	s.records = func(yield func(atocore.Record, error) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield(atocore.Record{}, err)
			return
		}
		defer f.Close()
		readGraph(s, f, yield)
	}
	return nil
}

// checkGraph refuses a file that is something else. One broken line is not: the
// others are worth having.
func (s *Source) checkGraph(name, path string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := 0
	for l, err := range graphLines(f) {
		if err != nil {
			return err
		}
		if l.broken == "" {
			return nil
		}
		lines++
	}
	if lines == 0 {
		return nil // of a server that remembers nothing
	}
	return &atocore.InvalidError{Field: "path", Reason: "no line of " + path + " is an entity or a relation", Hint: "name " + s.about}
}

// A graphLine is a line of the file.
type graphLine struct {
	number int
	broken string // why it is neither

	Type string `json:"type"`

	// Of an entity.
	Name         string   `json:"name"`
	EntityType   string   `json:"entityType"`
	Observations []string `json:"observations"`

	// Of a relation.
	From         string `json:"from"`
	To           string `json:"to"`
	RelationType string `json:"relationType"`
}

// graphLines yields the lines that are not blank. The error, which comes last, is
// the reader's.
func graphLines(r io.Reader) func(func(*graphLine, error) bool) {
	return func(yield func(*graphLine, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		for number := 1; ; number++ {
			b, long, err := boundedLine(in, maxGraphLine)
			if number == 1 {
				b = []byte(strings.TrimPrefix(string(b), "\ufeff"))
			}
			if text := strings.TrimSpace(string(b)); text != "" || long {
				l := &graphLine{number: number}
				switch {
				case long:
					l.broken = fmt.Sprintf("is longer than %d bytes", maxGraphLine)
				default:
					l.decode(text)
				}
				if !yield(l, nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// boundedLine reads a line. Of one that is longer than most bytes nothing is kept.
func boundedLine(in *bufio.Reader, most int) (b []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if !long {
			b = append(b, part...)
		}
		if len(b) > most {
			b, long = nil, true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return b, long, err
		}
	}
}

func (l *graphLine) decode(text string) {
	if err := json.Unmarshal([]byte(text), l); err != nil {
		l.broken = "is not JSON as the server writes it: " + err.Error()
		return
	}
	switch {
	case l.Type == "entity" && strings.TrimSpace(l.Name) == "":
		l.broken = "is an entity without a name"
	case l.Type == "relation" && (strings.TrimSpace(l.From) == "" || strings.TrimSpace(l.To) == ""):
		l.broken = "is a relation without two ends"
	case l.Type != "entity" && l.Type != "relation":
		l.broken = fmt.Sprintf("is neither an entity nor a relation, but %.40q", l.Type)
	}
}

// readGraph yields a memory for each observation and each relation. Each names what
// it is about, since it will be found alone.
func readGraph(s *Source, r io.Reader, yield func(atocore.Record, error) bool) {
	seen := map[string]bool{} // the server keeps each once, too
	put := func(key, about string, m atocore.Memory) bool {
		if seen[key] {
			return true
		}
		seen[key] = true
		if strings.TrimSpace(m.Content) == "" {
			s.skip(key, "has no text")
			return true
		}
		m.Type = atocore.Knowledge
		m.Provenance = atocore.Provenance{Client: "mcp-memory", Source: line("mcp-memory:" + about)}
		return yield(s.statement(statement{memory: m, key: key, title: about, path: docPath(about) + "/" + hash(key)}), nil)
	}
	for l, err := range graphLines(r) {
		if err != nil {
			yield(atocore.Record{}, err)
			return
		}
		if l.broken != "" {
			s.skip(s.key("line", fmt.Sprint(l.number)), "line "+fmt.Sprint(l.number)+" "+l.broken)
			continue
		}
		if l.Type == "relation" {
			words := strings.TrimSpace(l.RelationType)
			if words == "" {
				words = "is related to"
			}
			key := s.key("relation", hash(l.From+"\x00"+l.RelationType+"\x00"+l.To))
			content := line(l.From) + " " + line(words) + " " + line(l.To)
			if !put(key, l.From, atocore.Memory{Content: content, Tags: s.tags(key, "relation", l.RelationType)}) {
				return
			}
			continue
		}
		name := line(l.Name)
		kind := line(l.EntityType)
		head := name
		if kind != "" {
			head += " (" + kind + ")"
		}
		if len(l.Observations) == 0 {
			key := s.key("entity", hash(l.Name))
			if !put(key, l.Name, atocore.Memory{Content: head, Tags: s.tags(key, kind)}) {
				return
			}
		}
		for _, o := range l.Observations {
			key := s.key("observation", hash(l.Name+"\x00"+o))
			if strings.TrimSpace(o) == "" {
				s.skip(key, "is an observation of "+name+" without text")
				continue
			}
			if !put(key, l.Name, atocore.Memory{Content: head + ": " + strings.TrimSpace(o), Tags: s.tags(key, kind)}) {
				return
			}
		}
	}
}
