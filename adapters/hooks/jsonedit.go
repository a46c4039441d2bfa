package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// A node is a JSON value, and where it stands in the text. Settings are edited in
// their text, so that everything else stays as its owner has written it.
type node struct {
	start, end int
	kind       byte // '{', '[', '"', or 0 for numbers and literals
	text       string
	keys       []key  // of an object
	items      []node // values of an object, elements of an array
}

type key struct {
	start int
	name  string
}

// at is the value of a key, nil where there is none. Of several the last counts, as
// for those who read the file.
func (n *node) at(name string) *node {
	if n == nil {
		return nil
	}
	for i := len(n.keys) - 1; i >= 0; i-- {
		if n.keys[i].name == name {
			return &n.items[i]
		}
	}
	return nil
}

// parseJSON finds where everything stands. The text has to be valid.
func parseJSON(src []byte) (*node, error) {
	if !json.Valid(src) {
		var v any
		err := json.Unmarshal(src, &v)
		if err == nil {
			err = errors.New("is not JSON")
		}
		return nil, err
	}
	p := parser{src: src}
	n := p.value()
	return &n, nil
}

// A parser reads text that is known to be valid.
type parser struct {
	src []byte
	pos int
}

func (p *parser) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n,:", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) value() node {
	p.space()
	n := node{start: p.pos}
	switch p.src[p.pos] {
	case '{', '[':
		n.kind = p.src[p.pos]
		p.pos++
		for p.space(); p.src[p.pos] != '}' && p.src[p.pos] != ']'; p.space() {
			if n.kind == '{' {
				k := p.value()
				n.keys = append(n.keys, key{k.start, k.text})
			}
			n.items = append(n.items, p.value())
		}
		p.pos++
	case '"':
		n.kind = '"'
		for p.pos++; p.src[p.pos] != '"'; p.pos++ {
			if p.src[p.pos] == '\\' {
				p.pos++
			}
		}
		p.pos++
		_ = json.Unmarshal(p.src[n.start:p.pos], &n.text) // valid, as the whole is
	default:
		for p.pos < len(p.src) && strings.IndexByte(" \t\r\n,:]}", p.src[p.pos]) < 0 {
			p.pos++
		}
	}
	n.end = p.pos
	return n
}

// A document is the text of a JSON file, and how it is laid out.
type document struct {
	src  []byte
	root *node
	unit string // of indentation
	eol  string
}

func parseDocument(src []byte) (*document, error) {
	root, err := parseJSON(src)
	if err != nil {
		return nil, err
	}
	d := &document{src: src, root: root, unit: "  ", eol: "\n"}
	if bytes.Contains(src, []byte("\r\n")) {
		d.eol = "\r\n"
	}
	if len(root.keys) > 0 {
		if indent, ok := d.indent(root.keys[0].start); ok && indent != "" {
			d.unit = indent
		}
	}
	return d, nil
}

// indent is the white space that a line begins with, if nothing else stands before
// at on it.
func (d *document) indent(at int) (string, bool) {
	line := d.src[bytes.LastIndexByte(d.src[:at], '\n')+1 : at]
	if len(line) == at || len(bytes.Trim(line, " \t")) > 0 {
		return "", false
	}
	return string(line), true
}

// lineIndent is the white space that the line of at begins with.
func (d *document) lineIndent(at int) string {
	line := d.src[bytes.LastIndexByte(d.src[:at], '\n')+1 : at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// replace puts text in place of a part, and reads the result.
func (d *document) replace(start, end int, text string) error {
	src := append(append(append([]byte{}, d.src[:start]...), text...), d.src[end:]...)
	next, err := parseDocument(src)
	if err != nil {
		return err // a fault in the edit
	}
	next.unit, next.eol = d.unit, d.eol
	*d = *next
	return nil
}

// add puts a value at the end of an object, under a name, or of an array.
func (d *document) add(to *node, name string, v any) error {
	// As its neighbours are laid out: a line each, or all on one line.
	inner := d.lineIndent(to.start) + d.unit
	lines := true
	if n := len(to.items); n > 0 {
		at := to.items[n-1].start
		if to.kind == '{' {
			at = to.keys[n-1].start
		}
		var own bool
		if inner, own = d.indent(at); !own {
			lines = false
		}
	} else if !bytes.Contains(d.src, []byte("\n")) && len(d.src) > 2 {
		lines = false
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if lines {
		enc.SetIndent(inner, d.unit)
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	text := strings.TrimSpace(b.String())
	if name != "" {
		quoted, err := json.Marshal(name)
		if err != nil {
			return err
		}
		text = string(quoted) + ": " + text
	}
	closing := string("}]"[strings.IndexByte("{[", to.kind)])
	switch {
	case lines:
		text = strings.ReplaceAll("\n"+inner+text, "\n", d.eol)
	case len(to.items) > 0:
		text = " " + text
	}
	if n := len(to.items); n > 0 {
		return d.replace(to.items[n-1].end, to.items[n-1].end, ","+text)
	}
	if lines {
		text += d.eol + d.lineIndent(to.start)
	}
	return d.replace(to.start, to.end, string(to.kind)+text+closing)
}

// remove takes out the i-th member of an object or element of an array.
func (d *document) remove(from *node, i int) error {
	begin := func(i int) int {
		if from.kind == '{' {
			return from.keys[i].start
		}
		return from.items[i].start
	}
	switch n := len(from.items); {
	case n == 1:
		return d.replace(from.start+1, from.end-1, "")
	case i == n-1:
		return d.replace(from.items[i-1].end, from.items[i].end, "")
	default:
		return d.replace(begin(i), begin(i+1), "")
	}
}
