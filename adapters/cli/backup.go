package cli

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
)

type backupCmd struct {
	Create      backupCreateCmd   `cmd:"" help:"Take a snapshot while the store is in use."`
	List        backupListCmd     `cmd:"" help:"List snapshots, newest first."`
	Validate    backupValidateCmd `cmd:"" help:"Prove that a snapshot is whole and sound."`
	Restore     backupRestoreCmd  `cmd:"" help:"Put a snapshot in the place of the store."`
	UndoRestore backupUndoCmd     `cmd:"" help:"Put back what the last restore replaced."`
	Prune       backupPruneCmd    `cmd:"" help:"Remove snapshots that no rule keeps."`
	Drill       backupDrillCmd    `cmd:"" help:"Rehearse a restore, and prove it."`
	Probe       backupProbeCmd    `cmd:"" help:"Questions that every drill asks."`
}

func (backupCmd) Help() string {
	return `Snapshots, restores and drills work on the data directory, also where the store does not open. STAMP names a snapshot as list does; "latest" is the newest that no restore has taken.`
}

// backup is the library's Backup of the session's store, which it does not open.
func (s *session) backup() *atocore.Backup {
	return atocore.NewBackup(s.dir, s.backupOptions())
}

// embeddingBackup is backup for what may have to make vectors.
func (s *session) embeddingBackup(ctx context.Context) (*atocore.Backup, error) {
	o := s.backupOptions()
	if err := s.withEmbedder(ctx, o.Options); err != nil {
		return nil, err
	}
	return atocore.NewBackup(s.dir, o), nil
}

func (s *session) backupOptions() *atocore.BackupOptions {
	v := buildVersion()
	return &atocore.BackupOptions{Snapshots: s.snapshots, Options: s.options(), Version: v.Version, Build: v.Revision}
}

// options are how stores are opened, but for the embedder.
func (s *session) options() *atocore.Options {
	return &atocore.Options{
		Actor:        "cli",
		NoCreate:     true,
		CompileCache: s.cache,
		Logger:       slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// A snapshotDoc is a snapshot as create and list print it.
type snapshotDoc struct {
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

func docOf(snap atocore.Snapshot) snapshotDoc {
	doc := snapshotDoc{Stamp: snap.Stamp, Path: snap.Path, Bytes: snap.Bytes, Sound: snap.Sound(), Problem: snap.Problem,
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

// state is what is known of a snapshot, in a word.
func (d *snapshotDoc) state() string {
	switch {
	case d.Problem != "":
		return "unreadable"
	case !d.Sound:
		return "damaged"
	case d.Checked == nil:
		return "unchecked"
	}
	return "sound"
}

func (s *session) snapshotLine(d snapshotDoc) {
	what := d.Origin
	if d.Kind == "raw" {
		what += ", raw files"
	} else if d.Problem == "" && !d.Vectors {
		what += ", no vectors"
	}
	s.out.line("%s  %-10s  %10s  %-12s  %s", d.Stamp, d.state(), size(d.Bytes), orDash(what), orDash(oneLine(d.Label, maxCell)))
}

// findingLines prints findings for people.
func (s *session) findingLines(findings []atocore.Finding) {
	for _, f := range findings {
		s.out.line("%-24s  %s: expected %s, found %s", f.Code, orDash(f.Path), orDash(f.Expected), orDash(f.Found))
		if f.Hint != "" {
			s.out.line("%-24s  %s", "", f.Hint)
		}
	}
}

func size(n int64) string { return strconv.FormatInt((n+1023)/1024, 10) + " KiB" }

func ms(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + " ms" }

func stepsLine(steps []atocore.Step) string {
	var parts []string
	for _, st := range steps {
		parts = append(parts, strings.ReplaceAll(st.Name, "_", " ")+" "+ms(st.Milliseconds))
	}
	return strings.Join(parts, ", ")
}

// plural is n things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
