package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// A scanner walks over one JSON value without holding it: a record of a transcript
// may have many megabytes of what is not wanted, such as an image. It finds its way
// by keys, quotes and brackets. Of text that is not JSON it makes what it can, which
// is no concern: its caller looks for certain strings in certain places, and there
// they are or they are not.
type scanner struct {
	src  io.Reader // what follows buf; nil is nothing
	buf  []byte
	pos  int
	room []byte // for src
}

var errScan = errors.New("not the JSON that was expected")

// scanBytes scans what is in memory.
func scanBytes(b []byte) *scanner { return &scanner{buf: b} }

// scanReader scans a stream through a buffer.
func scanReader(r io.Reader, room []byte) *scanner { return &scanner{src: r, room: room} }

// fill makes sure that there is a byte at pos.
func (s *scanner) fill() error {
	for s.pos >= len(s.buf) {
		if s.src == nil {
			return io.ErrUnexpectedEOF
		}
		n, err := s.src.Read(s.room)
		if n == 0 && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		s.buf, s.pos = s.room[:n], 0
	}
	return nil
}

// next returns the next byte that is not white space, and leaves it there.
func (s *scanner) next() (byte, error) {
	for {
		if err := s.fill(); err != nil {
			return 0, err
		}
		switch c := s.buf[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c, nil
		}
	}
}

// object calls member for each member of an object, which has to read its value. It
// ends early where member says so.
func (s *scanner) object(member func(key string) (more bool, err error)) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		switch c, err := s.next(); {
		case err != nil:
			return err
		case c == '}':
			s.pos++
			return nil
		case first:
		case c != ',':
			return errScan
		default:
			s.pos++
		}
		key, _, err := s.text(200)
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if more, err := member(key); err != nil || !more {
			return err
		}
	}
}

// array calls element before each element of an array, which has to read it.
func (s *scanner) array(element func() (more bool, err error)) error {
	if err := s.expect('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		switch c, err := s.next(); {
		case err != nil:
			return err
		case c == ']':
			s.pos++
			return nil
		case first:
		case c != ',':
			return errScan
		default:
			s.pos++
		}
		if more, err := element(); err != nil || !more {
			return err
		}
	}
}

func (s *scanner) expect(want byte) error {
	c, err := s.next()
	if err == nil && c != want {
		err = errScan
	}
	s.pos++
	return err
}

// text reads a string, of which it holds the first limit bytes; cut says that there
// is more. Another value it skips and gives as an empty one.
func (s *scanner) text(limit int) (text string, cut bool, err error) {
	if c, err := s.next(); err != nil || c != '"' {
		if err == nil {
			err = s.skip()
		}
		return "", false, err
	}
	raw := []byte{'"'}
	cut, err = s.quoted(func(part []byte) bool {
		room := limit + 1 - len(raw)
		raw = append(raw, part[:min(len(part), room)]...)
		return len(part) <= room
	})
	if err != nil {
		return "", false, err
	}
	if cut {
		raw = wholeEscapes(raw)
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1:]), cut, nil
	}
	raw = append(raw, '"')
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", false, errScan
	}
	return text, cut, nil
}

// wholeEscapes takes off what may be half of a character or of an escape.
func wholeEscapes(raw []byte) []byte {
	const escape, pair = len(`\u00e9`), len(`\ud83d\ude00`)
	for range pair / escape {
		i := bytes.LastIndexByte(raw, '\\')
		if i < len(raw)-escape {
			break
		}
		n := len(raw[:i+1]) - len(bytes.TrimRight(raw[:i+1], `\`))
		if n%2 == 0 {
			break // backslashes, each escaped by the one before it
		}
		raw = raw[:i]
	}
	for n := 0; n < 4 && len(raw) > 1 && raw[len(raw)-1] >= 0x80; n++ {
		if raw[len(raw)-1] >= 0xc0 {
			return raw[:len(raw)-1]
		}
		raw = raw[:len(raw)-1]
	}
	return raw
}

// quoted reads a string and passes its content on as it is written, part by part,
// until keep wants no more.
func (s *scanner) quoted(keep func(part []byte) bool) (cut bool, err error) {
	s.pos++ // the quotation mark
	// Where the next quotation mark and backslash are in buf, len(buf) being nowhere:
	// each is looked for once, so that a string of nothing but escapes takes no longer.
	quote, slash := -1, -1
	for escaped := false; ; {
		if s.pos >= len(s.buf) {
			quote, slash = -1, -1
			if err := s.fill(); err != nil {
				return false, err
			}
		}
		if escaped { // the character behind a backslash
			cut = cut || !keep(s.buf[s.pos:s.pos+1])
			s.pos++
			escaped = false
			continue
		}
		if quote < s.pos {
			quote = s.index('"')
		}
		if slash < s.pos {
			slash = s.index('\\')
		}
		end := min(quote, slash)
		if escaped = slash < quote; escaped {
			end++ // the backslash with what is before it
		}
		cut = cut || !keep(s.buf[s.pos:end])
		s.pos = end
		if !escaped && end < len(s.buf) {
			s.pos++
			return cut, nil
		}
	}
}

// index is where the next such byte is in the buffer, its length if nowhere.
func (s *scanner) index(c byte) int {
	if i := bytes.IndexByte(s.buf[s.pos:], c); i >= 0 {
		return s.pos + i
	}
	return len(s.buf)
}

// isTrue reads a value and reports whether it is true.
func (s *scanner) isTrue() (bool, error) {
	c, err := s.next()
	if err != nil {
		return false, err
	}
	return c == 't', s.skip()
}

// skip reads a value of any kind.
func (s *scanner) skip() error {
	for depth := 0; ; {
		c, err := s.next()
		if err != nil {
			return err
		}
		switch c {
		case '"':
			if _, err := s.quoted(func([]byte) bool { return true }); err != nil {
				return err
			}
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			if depth == 0 {
				return errScan
			}
			depth--
			s.pos++
		case ',', ':':
			if depth == 0 {
				return errScan
			}
			s.pos++
			continue
		default:
			if err := s.word(); err != nil {
				return err
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

// word reads a number or a literal.
func (s *scanner) word() error {
	for n := 0; ; n++ {
		if err := s.fill(); err != nil {
			if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
		switch s.buf[s.pos] {
		case ' ', '\t', '\r', '\n', ',', ':', '}', ']', '{', '[', '"':
			if n == 0 {
				return errScan
			}
			return nil
		}
		s.pos++
	}
}
