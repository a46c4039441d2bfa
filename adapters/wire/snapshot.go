package wire

import (
	"time"

	"github.com/atocore/atocore"
)

// A Snapshot is a snapshot as it is listed.
type Snapshot struct {
	Stamp   string            `json:"stamp"`
	Path    string            `json:"path"`
	Bytes   int64             `json:"bytes"`
	Created time.Time         `json:"created,omitzero"`
	Kind    string            `json:"kind,omitempty"`
	Origin  string            `json:"origin,omitempty"`
	Label   string            `json:"label"`
	Schema  int               `json:"schema"`
	Vectors bool              `json:"vectors"`
	Digest  string            `json:"digest"`
	Counts  map[string]int64  `json:"counts"`
	Sound   bool              `json:"sound"`             // nothing is known against it
	Checked *time.Time        `json:"checked"`           // when it was last validated, or null
	Damaged []atocore.Finding `json:"damaged"`           // what was wrong with the store itself
	Problem string            `json:"problem,omitempty"` // why the manifest cannot be read
}

// SnapshotOf is the document about a snapshot.
func SnapshotOf(snap atocore.Snapshot) Snapshot {
	doc := Snapshot{Stamp: snap.Stamp, Path: snap.Path, Bytes: snap.Bytes, Sound: snap.Sound(), Problem: snap.Problem,
		Counts: map[string]int64{}, Damaged: []atocore.Finding{}}
	if snap.Check != nil {
		doc.Checked = &snap.Check.At
	}
	if m := snap.Manifest; m != nil {
		doc.Created, doc.Kind, doc.Origin, doc.Label = m.Created, string(m.Kind), string(m.Origin), m.Label
		doc.Schema, doc.Vectors, doc.Digest = m.Schema, m.Vectors, m.Digest
		if m.Counts != nil {
			doc.Counts = m.Counts
		}
		if m.Damaged != nil {
			doc.Damaged = m.Damaged
		}
	}
	return doc
}
