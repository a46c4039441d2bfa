package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/atocore/atocore/internal/schema"
	"github.com/atocore/atocore/internal/sqlite"
)

// Bounds on what is believed of a manifest. It may come from anywhere.
const (
	maxManifest = 64 << 20 // bytes of the file: some 300,000 originals
	maxPart     = 1 << 20  // bytes of counts and of damaged: parsed, they take many times as much
	maxLabel    = 200      // bytes
	maxText     = 1024     // bytes of a path or of what a finding quotes
	maxSize     = 1 << 50  // bytes of one file
)

// ReadManifest reads the manifest of the snapshot in dir and gives its checksum
// too, which stands for every byte of the snapshot. The error is an *UnsoundError
// with one finding.
func ReadManifest(dir string) (m Manifest, sum string, err error) {
	stamp := filepath.Base(dir)
	data, f := readManifest(dir)
	if f == nil {
		m, sum, f = parseManifest(data)
	}
	if f == nil && m.Stamp != stamp {
		mismatch := finding(codeStampMismatch, ManifestName, stamp, m.Stamp)
		f = &mismatch
	}
	if f != nil {
		return Manifest{}, "", &UnsoundError{Stamp: stamp, Findings: []Finding{*f}}
	}
	return m, sum, nil
}

func readManifest(dir string) ([]byte, *Finding) {
	fail := func(code, expected string, err error) ([]byte, *Finding) {
		f := finding(code, ManifestName, expected, reason(err))
		return nil, &f
	}
	name := filepath.Join(dir, ManifestName)
	// Before it is opened, since opening a pipe would wait for ever.
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(codeManifestMissing, "a file", err)
	case err != nil:
		return fail(codeManifestUnreadable, "a file", err)
	case !info.Mode().IsRegular():
		return fail(codeManifestUnreadable, "a plain file", errors.New(typeName(info.Mode())))
	case info.Size() > maxManifest:
		return fail(codeManifestHostile, fmt.Sprintf("at most %d bytes", maxManifest), fmt.Errorf("%d bytes", info.Size()))
	}
	f, err := os.Open(name)
	if err != nil {
		return fail(codeManifestUnreadable, "a file", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1)) // should it grow
	if err != nil {
		return fail(codeManifestUnreadable, "a file", err)
	}
	return data, nil
}

// parseManifest reads a manifest's bytes. It believes nothing: memory is bounded
// by a small multiple of their number, and no path leads out of a snapshot.
func parseManifest(data []byte) (m Manifest, sum string, _ *Finding) {
	fail := func(code, expected, found string) (Manifest, string, *Finding) {
		f := finding(code, ManifestName, expected, found)
		return Manifest{}, "", &f
	}
	if len(data) > maxManifest {
		return fail(codeManifestHostile, fmt.Sprintf("at most %d bytes", maxManifest), fmt.Sprintf("%d bytes", len(data)))
	}
	covered, sum, ok := cutSum(data)
	if !ok {
		return fail(codeManifestChecksum, "a checksum at the end", "none")
	}
	if got := sumOf(covered); got != sum {
		return fail(codeManifestChecksum, sum, got)
	}
	// The members of another version may be others; the checksum is always there.
	var version struct{ Format *int }
	if err := json.Unmarshal(data, &version); err != nil {
		return fail(codeManifestUnreadable, "JSON", err.Error())
	}
	if version.Format == nil || *version.Format < 1 {
		return fail(codeManifestHostile, "a format version", "none")
	}
	if *version.Format > FormatVersion {
		return fail(codeManifestVersion, fmt.Sprintf("format %d at most", FormatVersion), fmt.Sprintf("format %d", *version.Format))
	}
	m, err := decodeManifest(data)
	if err != nil {
		return fail(codeManifestHostile, fmt.Sprintf("a manifest of format %d", *version.Format), err.Error())
	}
	return m, sum, nil
}

// cutSum takes the checksum off the end of a manifest.
func cutSum(data []byte) (covered []byte, sum string, ok bool) {
	rest, ok := bytes.CutSuffix(data, []byte(sumAfter))
	if !ok || len(rest) < 64 {
		return nil, "", false
	}
	covered, sum = rest[:len(rest)-64], string(rest[len(rest)-64:])
	return covered, sum, schema.IsSum(sum) && bytes.HasSuffix(covered, []byte(sumBefore))
}

// decodeManifest decodes and checks. The parts that repeat are taken one by one,
// so that the first that is wrong ends it.
func decodeManifest(data []byte) (m Manifest, err error) {
	var outer struct {
		Manifest
		Counts  json.RawMessage `json:"counts"`
		Damaged json.RawMessage `json:"damaged"`
		Files   json.RawMessage `json:"files"`
		SHA256  string          `json:"sha256"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&outer); err != nil {
		return Manifest{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Manifest{}, errors.New("something follows the manifest")
	}
	m = outer.Manifest
	for _, part := range []struct {
		name string
		raw  json.RawMessage
		to   any
	}{{"counts", outer.Counts, &m.Counts}, {"damaged", outer.Damaged, &m.Damaged}} {
		if len(part.raw) > maxPart {
			return Manifest{}, fmt.Errorf("%s takes %d bytes", part.name, len(part.raw))
		}
		if len(part.raw) == 0 {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(part.raw))
		d.DisallowUnknownFields()
		if err := d.Decode(part.to); err != nil {
			return Manifest{}, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if err := m.check(); err != nil {
		return Manifest{}, err
	}
	m.Files, err = decodeFiles(outer.Files, m.Kind)
	return m, err
}

// check holds everything but the files against what this program writes.
func (m *Manifest) check() error {
	switch {
	case m.Kind != KindStore && m.Kind != KindRaw:
		return fmt.Errorf("kind %.40q", m.Kind)
	case !IsStamp(m.Stamp):
		return fmt.Errorf("stamp %.40q", m.Stamp)
	case m.Created.Year() < 1970 || m.Created.Year() > 9999:
		return fmt.Errorf("created at %s", m.Created)
	case m.Schema < 0:
		return fmt.Errorf("schema %d", m.Schema)
	case m.Digest != "" && !schema.IsSum(m.Digest):
		return fmt.Errorf("digest %.80q", m.Digest)
	case m.Kind == KindStore && m.Digest == "" && len(m.Damaged) == 0:
		return errors.New("no digest, and nothing that was damaged")
	case m.Space != nil && (m.Space.Dimensions < 1 || strings.ContainsFunc(m.Space.Name+m.Space.Fingerprint, unicode.IsControl)):
		return fmt.Errorf("space %.80q of %d dimensions", m.Space.Name, m.Space.Dimensions)
	}
	texts := []string{m.Tool.Name, m.Tool.Version, m.Tool.Build, m.Tool.SQLite}
	for _, f := range m.Damaged {
		texts = append(texts, f.Code, f.Path, f.Expected, f.Found, f.Hint)
	}
	for table, n := range m.Counts {
		texts = append(texts, table)
		if n < 0 {
			return fmt.Errorf("%d rows of %.40q", n, table)
		}
	}
	for _, s := range texts {
		if printable(s) != s {
			return fmt.Errorf("text %.80q", s)
		}
	}
	return m.checkOptions()
}

// checkOptions checks what comes from whoever takes the snapshot.
func (m *Manifest) checkOptions() error {
	switch {
	case m.Origin != OriginManual && m.Origin != OriginPreRestore && m.Origin != OriginDrill:
		return fmt.Errorf("origin %.40q", m.Origin)
	case m.Restoring != "" && !IsStamp(m.Restoring):
		return fmt.Errorf("restoring %.40q", m.Restoring)
	case len(m.Label) > maxLabel:
		return fmt.Errorf("a label of %d bytes, at most %d", len(m.Label), maxLabel)
	case printable(m.Label) != m.Label:
		return fmt.Errorf("label %.80q: use printable characters", m.Label) // it is shown on terminals
	}
	return nil
}

func decodeFiles(raw json.RawMessage, kind Kind) ([]File, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("files is no list")
	}
	files := []File{}
	last, total := "", int64(0)
	for d.More() {
		var f File
		if err := d.Decode(&f); err != nil {
			return nil, fmt.Errorf("files: %w", err)
		}
		if err := checkPath(f.Path, kind); err != nil {
			return nil, err
		}
		switch {
		case f.Path <= last:
			return nil, fmt.Errorf("%q does not come after %q", f.Path, last)
		case f.Size < 0 || f.Size > maxSize || f.Size > maxSize-total:
			return nil, fmt.Errorf("%q has %d bytes", f.Path, f.Size)
		case !schema.IsSum(f.SHA256):
			return nil, fmt.Errorf("%q has the hash %.80q", f.Path, f.SHA256)
		}
		last = f.Path
		total += f.Size
		files = append(files, f)
	}
	if kind == KindStore && (len(files) == 0 || files[0].Path != DatabaseName) {
		return nil, errors.New("no " + DatabaseName)
	}
	return files, nil
}

// checkPath says whether a file of a snapshot may have the path. Nothing that
// passes leads out of the directory that it is joined to, on any platform.
func checkPath(name string, kind Kind) error {
	bad := fmt.Errorf("path %.80q", name)
	if strings.Contains(name, `\`) || printable(name) != name {
		return bad
	}
	if _, err := filepath.Localize(name); err != nil {
		return bad
	}
	if kind == KindStore {
		dir, sum := path.Split(name)
		if name == DatabaseName || schema.IsSum(sum) && dir == FilesName+"/"+sum[:2]+"/" {
			return nil
		}
		return bad
	}
	for _, suffix := range rawSuffixes {
		if name == DatabaseName+suffix {
			return nil
		}
	}
	if strings.HasPrefix(name, FilesName+"/") {
		return nil
	}
	return bad
}

// printable makes of s what can be shown on a terminal and read back: no control
// characters, valid, and of bounded length.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "")
}

// typeName says what a file that is not a plain one is.
func typeName(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m.IsRegular():
		return "a plain file"
	}
	return "a special file"
}

// reason is an error without path and statement; what is concerned, a finding names
// anyway.
func reason(err error) string {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
