package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// FormatVersion is the version of the snapshot format that this package writes.
const FormatVersion = 1

// Kind says how a snapshot was taken.
type Kind string

// The kinds of snapshots.
const (
	// KindStore is a consistent copy of the database at one instant.
	KindStore Kind = "store"

	// KindRaw is a copy of the files as they were, -wal, -shm and -journal
	// included, of a store that SQLite could not read. It says nothing about
	// content: it has no digest and no counts.
	KindRaw Kind = "raw"
)

// Origin says what a snapshot was taken for.
type Origin string

// The origins of snapshots.
const (
	OriginManual     Origin = "manual"      // somebody asked for it
	OriginPreRestore Origin = "pre-restore" // a restore saved what it replaced
	OriginDrill      Origin = "drill"       // a drill took it
)

// A Manifest describes a snapshot. It is the file manifest.json, field by field.
type Manifest struct {
	Format    int              `json:"format"`
	Kind      Kind             `json:"kind"`
	Origin    Origin           `json:"origin"`
	Stamp     string           `json:"stamp"`               // the directory's name, such as 20260409T131321Z
	Created   time.Time        `json:"created"`             // the instant, UTC
	Label     string           `json:"label,omitempty"`     // given by whoever took it
	Restoring string           `json:"restoring,omitempty"` // of a pre-restore snapshot: the stamp that was being restored
	Tool      Tool             `json:"tool"`
	Schema    int              `json:"schema"`            // version of the database's schema
	Digest    string           `json:"digest"`            // of the content; empty where it could not be computed
	Counts    map[string]int64 `json:"counts"`            // rows of every table
	Space     *Space           `json:"space"`             // of the vectors; null where there are none
	Vectors   bool             `json:"vectors"`           // false: left out, to be rebuilt after a restore
	Damaged   []Finding        `json:"damaged,omitempty"` // what was wrong with the store itself
	Files     []File           `json:"files"`             // in the order of their paths
}

// Tool is the program that took a snapshot.
type Tool struct {
	Name    string `json:"name"` // "atocore"
	Version string `json:"version"`
	Build   string `json:"build"`
	SQLite  string `json:"sqlite"` // empty where it was not asked
}

// Space is the embedding space of the vectors in a snapshot.
type Space struct {
	Name        string `json:"name"`
	Dimensions  int    `json:"dimensions"`
	Fingerprint string `json:"fingerprint"`
}

// String is the space as name/dimensions/fingerprint, or none.
func (s *Space) String() string {
	if s == nil {
		return "none"
	}
	return fmt.Sprintf("%s/%d/%s", s.Name, s.Dimensions, s.Fingerprint)
}

// A File is one file of a snapshot, the manifest itself excepted.
type File struct {
	Path   string `json:"path"` // slash-separated, relative to the snapshot
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// bytes is the size of all files, the manifest excepted.
func (m *Manifest) bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// file gives the entry for the path.
func (m *Manifest) file(path string) (File, bool) {
	i, ok := slices.BinarySearchFunc(m.Files, path, func(f File, path string) int { return strings.Compare(f.Path, path) })
	if !ok {
		return File{}, false
	}
	return m.Files[i], true
}

// Marks around the manifest's checksum, which is over all bytes before its digits.
const (
	sumBefore = ",\n  \"sha256\": \""
	sumAfter  = "\"\n}\n"
)

// encode gives the manifest's file, and the checksum in it.
func (m *Manifest) encode() (data []byte, sum string, err error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, "", err
	}
	data = append(bytes.TrimSuffix(b.Bytes(), []byte("\n}\n")), sumBefore...)
	sum = sumOf(data)
	return append(append(data, sum...), sumAfter...), sum, nil
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
