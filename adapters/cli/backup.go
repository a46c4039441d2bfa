package cli

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/wire"
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

// stateOf is what is known of a snapshot, in a word.
func stateOf(d wire.Snapshot) string {
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

func (s *session) snapshotLine(d wire.Snapshot) {
	what := d.Origin
	if d.Kind == "raw" {
		what += ", raw files"
	} else if d.Problem == "" && !d.Vectors {
		what += ", no vectors"
	}
	s.out.line("%s  %-10s  %10s  %-12s  %s", d.Stamp, stateOf(d), size(d.Bytes), orDash(what), orDash(oneLine(d.Label, maxCell)))
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
