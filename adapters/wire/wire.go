// Package wire has what adapters say and read in JSON, so that the command line and
// a server mean the same by the same words: strict decoding, encoding that no terminal
// obeys, and the documents that are not a type of the library already.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Decode decodes src, one JSON value without keys that v does not have. It refuses
// text that encoding/json would rewrite without a word. Its error says what is wrong,
// as the end of a sentence about src.
func Decode(src []byte, v any) error {
	if err := Check(src); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err == io.EOF {
		return errors.New("is empty")
	} else if err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("has more than one value")
	}
	return nil
}

// Check refuses JSON text that encoding/json would rewrite without a word: what is not
// UTF-8, and halves of surrogate pairs. What is no JSON at all, Decode says.
func Check(src []byte) error {
	if !utf8.Valid(src) {
		return errors.New("is not UTF-8")
	}
	if escape := loneSurrogate(src); escape != "" {
		return fmt.Errorf("has %s, half of a pair, which is no character", escape)
	}
	return nil
}

// loneSurrogate finds an escape such as \ud800 without its other half. In
// JSON a backslash occurs in strings alone, so what is around does not matter.
func loneSurrogate(src []byte) string {
	for i := 0; i < len(src); i++ {
		if src[i] != '\\' {
			continue
		}
		r, ok := escaped(src[i:])
		if !ok {
			i++ // the escaped character, which may be a backslash
			continue
		}
		if utf16.IsSurrogate(r) {
			low, _ := escaped(src[i+6:])
			if utf16.DecodeRune(r, low) == utf8.RuneError {
				return string(src[i : i+6])
			}
			i += 6
		}
		i += 5
	}
	return ""
}

// escaped is the code unit of the \uXXXX that src begins with.
func escaped(src []byte) (r rune, ok bool) {
	if len(src) < 6 || src[0] != '\\' || src[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(src[2:6]), 16, 16)
	return rune(n), err == nil
}

// Encode is v as JSON on a line of its own.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return EscapeControls(b.Bytes()), nil
}

// EscapeControls escapes the unsafe characters of a JSON document, which occur in its
// strings alone; encoding/json escapes only those below space.
func EscapeControls(doc []byte) []byte {
	unsafe := func(r rune) bool { return r != '\n' && r != utf8.RuneError && Unsafe(r) }
	if bytes.IndexFunc(doc, unsafe) < 0 {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		if unsafe(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

// Unsafe reports control characters, the marks that change the direction of text, which
// let a line read otherwise than it is, and bytes that are not UTF-8, which an old
// terminal may take for control characters.
func Unsafe(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f, r == utf8.RuneError:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}
