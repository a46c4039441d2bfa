package atocore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/atocore/atocore/internal/schema"
)

// maxLine bounds a line: the largest document, every character of it escaped, with
// its original. Only a test changes it.
var maxLine = 192 << 20

// A RecordError says what is wrong with one record of a sequence that goes on behind
// it. Import leaves such a record out and reports it; any other error of a sequence
// ends the import.
type RecordError struct {
	Key string // the record's key, or where it stands: "line 7"
	Err error
}

func (e *RecordError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap is what is wrong.
func (e *RecordError) Unwrap() error { return e.Err }

// An ExportReader reads what Export wrote, or records that somebody wrote by hand.
type ExportReader struct {
	header ExportHeader
	in     *bufio.Reader
	sum    hash.Hash
	line   []byte // one that was read to look for a header and is none
	n      int    // lines read
	used   bool
}

// ReadExport reads the first line of an export and returns a reader of the rest.
// Lines of records alone, without a header, are taken too, and then need no last
// line either: see docs/export.md for how to write them. It fails with ErrInvalid
// where the input is neither.
func ReadExport(r io.Reader) (*ExportReader, error) {
	e := &ExportReader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	if bom, err := e.in.Peek(3); err == nil && string(bom) == "\ufeff" {
		_, _ = e.in.Discard(3) // it was just peeked at
	}
	line, err := e.next()
	if errors.Is(err, io.EOF) {
		return e, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read export: %w", err)
	}
	var first struct {
		Version *json.RawMessage `json:"atocore_export"`
	}
	_ = json.Unmarshal(line, &first) // what is no JSON is found when the lines are read
	if first.Version == nil {
		e.line = line
		return e, nil
	}
	if err := json.Unmarshal(line, &e.header); err != nil {
		return nil, fmt.Errorf("read export: %w", e.fault(jsonReason(err)))
	}
	switch {
	case e.header.Version != exportVersion:
		return nil, fmt.Errorf("read export: %w", invalid("atocore_export", fmt.Sprintf("is version %d, not %d", e.header.Version, exportVersion), "read it with the version of atocore that wrote it, or a newer one"))
	case e.header.Content != contentRecords && e.header.Content != contentJournal:
		return nil, fmt.Errorf("read export: %w", invalid("content", fmt.Sprintf("%q is not known", e.header.Content), ""))
	}
	e.sum.Write(line)
	return e, nil
}

// Header is the first line; zero where the records were written without one.
func (e *ExportReader) Header() ExportHeader { return e.header }

// IsJournal reports whether the export is of a journal, for ReplayExport; else it is
// of records, for Import.
func (e *ExportReader) IsJournal() bool { return e.header.Content == contentJournal }

// Records yields the records, once. An error that is no *RecordError ends them: a
// line that is no record, with its number, or an export that is cut short or has been
// changed since it was written.
func (e *ExportReader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if e.IsJournal() {
			yield(Record{}, fmt.Errorf("read records: %w", invalid("content", "is a journal", "replay it into an empty store")))
			return
		}
		for l, err := range e.lines() {
			switch _, skip := errors.AsType[*RecordError](err); {
			case skip:
				if !yield(Record{}, err) {
					return
				}
				continue
			case err == nil && l.Entry != nil:
				err = e.fault("is a journal entry, among records")
			case err == nil:
				if _, why := l.Record.entity(); why != nil {
					err = e.fault(why.Error())
				}
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("read records: %w", err))
				return
			}
			if !yield(*l.Record, nil) {
				return
			}
		}
	}
}

// ReadRecords reads the records that Export wrote, or that somebody wrote by hand:
// it is ReadExport and Records in one.
func ReadRecords(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		e, err := ReadExport(r)
		if err != nil {
			yield(Record{}, err)
			return
		}
		e.Records()(yield)
	}
}

// lines yields the lines between the first and the last, and then an error if the
// last is not what it has to be.
func (e *ExportReader) lines() iter.Seq2[exportLine, error] {
	return func(yield func(exportLine, error) bool) {
		if e.used {
			yield(exportLine{}, errors.New("the export has been read already"))
			return
		}
		e.used = true
		for {
			line, err := e.next()
			if errors.Is(err, io.EOF) {
				if e.header.Version != 0 {
					yield(exportLine{}, invalid("export", fmt.Sprintf("is cut short: it ends after line %d, without its last line", e.n), "get the whole of it"))
				}
				return
			}
			var l exportLine
			if err == nil {
				l, err = e.parse(line)
			}
			if err == nil && l.End != nil {
				if err = e.end(l.End); err == nil {
					return
				}
			}
			if _, skip := errors.AsType[*RecordError](err); !yield(l, err) || err != nil && !skip {
				return
			}
			e.sum.Write(line)
		}
	}
}

// parse reads one line.
func (e *ExportReader) parse(line []byte) (l exportLine, err error) {
	l.Record = &Record{}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, e.fault(jsonReason(err))
	}
	if rest := bytes.TrimSpace(line[dec.InputOffset():]); len(rest) > 0 {
		return l, e.fault(fmt.Sprintf("has %.40q after the record", rest))
	}
	// Decoding has put a mark in the place of what is no text.
	if !utf8.Valid(line) {
		return l, e.skip(fmt.Sprintf("is not UTF-8 at offset %d of its line", firstInvalid(string(line))), "convert it first")
	}
	if i := halfPair(line); i >= 0 {
		return l, e.skip(fmt.Sprintf("has %s at offset %d of its line, half of a pair", line[i:i+6], i), "escape the whole character, or write it as it is")
	}
	return l, nil
}

// skip is the error for a line that is left out, the lines behind it not.
func (e *ExportReader) skip(reason, hint string) error {
	return &RecordError{Key: fmt.Sprintf("line %d", e.n), Err: invalid("record", reason, hint)}
}

// halfPair is where a JSON text has an escape that is half of a character; -1 is
// nowhere.
func halfPair(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		r, ok := escaped(text[i:])
		switch {
		case !ok:
			i++ // what is escaped, a backslash maybe
		case r >= 0xd800 && r < 0xdc00:
			if low, ok := escaped(text[i+6:]); !ok || low < 0xdc00 || low >= 0xe000 {
				return i
			}
			i += 11
		case r >= 0xdc00 && r < 0xe000:
			return i
		}
	}
	return -1
}

// escaped is the number that a text begins with as an escape.
func escaped(text []byte) (r uint64, ok bool) {
	if len(text) < 6 || string(text[:2]) != `\u` {
		return 0, false
	}
	r, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return r, err == nil
}

// end holds the last line to what was read.
func (e *ExportReader) end(t *trailer) error {
	if e.header.Version == 0 {
		return e.fault("is the end of an export that has no beginning")
	}
	if hex.EncodeToString(e.sum.Sum(nil)) != t.SHA256 {
		return invalid("export", "is not as it was written: its hash is another one", "get it again; or, where it was changed on purpose, take the first and the last line out")
	}
	if line, err := e.next(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return e.fault(fmt.Sprintf("has %.40q after the end", bytes.TrimSpace(line)))
	}
	return nil
}

// next reads a line that is not blank, with its line feed. io.EOF is the end.
func (e *ExportReader) next() ([]byte, error) {
	if line := e.line; line != nil {
		e.line = nil
		return line, nil
	}
	for {
		var line []byte
		e.n++
		for more := true; more; {
			part, err := e.in.ReadSlice('\n')
			line = append(line, part...)
			switch {
			case len(line) > maxLine:
				return nil, e.fault(fmt.Sprintf("is longer than %d MiB", maxLine>>20))
			case errors.Is(err, bufio.ErrBufferFull):
				continue
			case errors.Is(err, io.EOF) && len(line) == 0:
				e.n--
				return nil, io.EOF
			case err != nil && !errors.Is(err, io.EOF):
				return nil, fmt.Errorf("line %d: %w", e.n, err)
			}
			more = false
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return line, nil
		}
		e.sum.Write(line)
	}
}

func (e *ExportReader) fault(reason string) error {
	return invalid(fmt.Sprintf("line %d", e.n), reason, "")
}

// jsonReason is what is wrong with a line, in words that do not speak of the
// program's types.
func jsonReason(err error) string {
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typ):
		field := firstOf(strings.TrimPrefix(typ.Field, "Record."), "the line")
		return fmt.Sprintf("has a %s for %s", typ.Value, field)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "is not JSON: it ends too early"
	}
	reason := strings.TrimPrefix(err.Error(), "json: ")
	if field, ok := strings.CutPrefix(reason, "unknown field "); ok {
		return "has the field " + truncate(field, 80) + ", which is not known"
	}
	if strings.HasPrefix(reason, "invalid character") {
		return "is not JSON: " + truncate(reason, 200)
	}
	return truncate(reason, 200)
}

// ReplayExport makes a store that is empty what the store was whose journal the
// export has: records, history and digest. It fails with ErrConflict where the store
// is not empty, with ErrInvalid where the export is one of records, is cut short or
// is not what a store writes, and then, as on any error, changes nothing.
func (s *Store) ReplayExport(ctx context.Context, e *ExportReader) error {
	if !e.IsJournal() {
		return fmt.Errorf("replay export: %w", invalid("content", "is records", "import them"))
	}
	var sums []string // of the originals that may be there for nothing
	err := s.replay(ctx, func(c *change) error {
		for l, err := range e.lines() {
			if err == nil {
				switch entity, _ := l.Record.entity(); {
				case l.Entry != nil:
					err = c.replay(normalEntry(*l.Entry))
				case entity == entityProbe:
					if err = l.Record.Probe.prepare(); err == nil {
						err = insertProbe(c.tx, *l.Record.Probe)
					}
				case len(l.Record.Original) > 0 && len(l.Record.Original) <= MaxDocumentBytes:
					hash := sha256.Sum256(l.Record.Original)
					sum := hex.EncodeToString(hash[:])
					sums = append(sums, sum)
					err = s.keepOriginal(sum, l.Record.Original)
				default:
					err = e.fault("is neither a journal entry nor an original nor a probe")
				}
			}
			if err != nil {
				return err
			}
		}
		digest, _, err := schema.Digest(c.tx)
		if err == nil && digest != e.header.Digest {
			err = invalid("digest", "of what was replayed is another than the export has", "the export was made by a program that writes another form")
		}
		return err
	})
	if err != nil {
		s.sweepReplaced(context.WithoutCancel(ctx), sums)
	}
	return err
}

// normalEntry takes a payload that is given as null for one that is not there.
func normalEntry(e JournalEntry) JournalEntry {
	if string(e.Before) == "null" {
		e.Before = nil
	}
	if string(e.After) == "null" {
		e.After = nil
	}
	return e
}
