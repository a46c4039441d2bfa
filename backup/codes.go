package backup

import "slices"

// The codes of findings. They are a contract with programs and stand in the table
// of docs/backup-restore-procedure.md.
const (
	codeManifestMissing    = "manifest_missing"
	codeManifestUnreadable = "manifest_unreadable"
	codeManifestChecksum   = "manifest_checksum"
	codeManifestHostile    = "manifest_hostile"
	codeManifestVersion    = "manifest_version"
	codeStampMismatch      = "stamp_mismatch"
	codeFileMissing        = "file_missing"
	codeFileExtra          = "file_extra"
	codeFileType           = "file_type"
	codeFileSize           = "file_size"
	codeFileHash           = "file_hash"
	codeIntegrity          = "integrity_check"
	codeForeignKeys        = "foreign_key_check"
	codeFTS                = "fts_integrity"
	codeTableMissing       = "table_missing"
	codeTableExtra         = "table_extra"
	codeRowCount           = "row_count"
	codeParity             = "index_parity"
	codeDigest             = "digest"
	codeSchemaNewer        = "schema_newer"
	codeSchemaMismatch     = "schema_mismatch"
	codeForeign            = "foreign_database"
	codeSpace              = "embedding_space"
	codeVectorsMissing     = "vectors_snapshot_missing"
	codeOriginalMissing    = "original_missing"
	codeSourceDamaged      = "source_damaged"
	codeRaw                = "raw_snapshot"
)

const (
	hintOther   = "use another snapshot, and find out what changed this one"
	hintVersion = "use the version of the program that took the snapshot, or a newer one"
)

// hints says for each code what an operator can do.
var hints = map[string]string{
	codeManifestMissing:    "this is no snapshot, or a part of one: use another",
	codeManifestUnreadable: hintOther,
	codeManifestChecksum:   hintOther,
	codeManifestHostile:    "do not use this snapshot: its manifest was not written by this program",
	codeManifestVersion:    hintVersion,
	codeStampMismatch:      "give the directory the name that its manifest says",
	codeFileMissing:        hintOther,
	codeFileExtra:          "move what does not belong to the snapshot elsewhere",
	codeFileType:           "a snapshot has plain files only: move it elsewhere, or use another snapshot",
	codeFileSize:           hintOther,
	codeFileHash:           hintOther,
	codeIntegrity:          hintOther,
	codeForeignKeys:        hintOther,
	codeFTS:                "full text is derived: repair the store with doctor and take another snapshot",
	codeTableMissing:       hintOther,
	codeTableExtra:         hintOther,
	codeRowCount:           hintOther,
	codeParity:             "what is derived disagrees with the records: repair the store with doctor and take another snapshot",
	codeDigest:             hintOther,
	codeSchemaNewer:        hintVersion,
	codeSchemaMismatch:     hintOther,
	codeForeign:            "the database is another program's: look at where the store is",
	codeSpace:              hintOther,
	codeVectorsMissing:     "restore without vectors, they are then computed anew, or use a snapshot that has them",
	codeOriginalMissing:    "ingest the document again, keeping originals, or forget it, then take another snapshot",
	codeSourceDamaged:      "the store itself was damaged when this was taken: check it with doctor, and keep an older snapshot that validates",
	codeRaw:                "the store could not be read when this was taken: it serves to undo a restore and to rescue data by hand, use another to restore",
}

// Codes lists the codes of all findings of this package, sorted.
func Codes() []string {
	all := make([]string, 0, len(hints))
	for code := range hints {
		all = append(all, code)
	}
	slices.Sort(all)
	return all
}

func finding(code, path, expected, found string) Finding {
	return Finding{Code: code, Path: printable(path), Expected: printable(expected), Found: printable(found), Hint: hints[code]}
}
