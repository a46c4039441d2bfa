package atocore

import (
	"maps"
	"slices"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/restore"
)

// drillHints are the findings of a drill: what to do about each, by code.
var drillHints = map[string]string{
	"drill_marker_still_present": "the restore has not replaced the store: trust no restore on this machine before it is known why; forget the marker, and see whether the data directory is the one that the service uses",
	"drill_snapshot_unsound":     "take a new snapshot, and look at the disk that holds this one",
	"drill_restore_failed":       "read what was found; restore into an empty directory by hand to see more",
	"drill_open_failed":          "open the kept copy by hand; check the versions that wrote and opened it",
	"drill_original_unreadable":  "the store itself is damaged: see doctor, and restore the newest sound snapshot",
	"drill_integrity":            "check the disk and the memory of this machine, then repeat the drill",
	"drill_digest":               "the copy holds something else than the store did: keep both, and report it",
	"drill_counts":               "the copy holds something else than the store did: keep both, and report it",
	"drill_index_parity":         "repair the store, then repeat the drill: what is derived is not what the records say",
	"drill_files":                "the original is missing in the store too, or was lost on the way: see doctor",
	"drill_space":                "the copy's vectors belong to another embedder: reindex",
	"drill_retrieval":            "the copy answers otherwise than the store did: repair both, then repeat the drill",
	"drill_probe_failed":         "remove the probe, or correct it: it cannot be asked of the store itself",
	"drill_empty_store":          "there was nothing to prove: fill the store, or name the right data directory",
	"drill_no_probes":            "no question has an answer: add probes that have, or pass queries",
}

// Codes lists the codes of all findings: of Store.Check, Backup.Check,
// Backup.Validate, Backup.Restore and Backup.Drill, sorted.
func Codes() []string {
	all := slices.Concat([]string{"integrity_check", "original_missing"}, repairable, backup.Codes(), restore.Codes(),
		slices.Collect(maps.Keys(drillHints)))
	slices.Sort(all)
	return slices.Compact(all)
}

func (d *drill) find(code, path, expected, found string) {
	hint, ok := drillHints[code]
	if !ok {
		panic("drill: no such finding: " + code)
	}
	d.report.Findings = append(d.report.Findings, Finding{Code: code, Path: path, Expected: expected, Found: found, Hint: hint})
}
