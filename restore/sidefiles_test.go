package restore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// What a killed process left beside the old database is not played back into the
// restored one. Its log is a valid one, which SQLite would.
func TestStaleLog(t *testing.T) {
	r := newRig(t)
	db := openStore(t, r.data)
	add(t, db, r.data, "in the log alone")
	side := t.TempDir()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		writeFile(t, filepath.Join(side, "atocore.db"+suffix), readFile(t, filepath.Join(r.data, "atocore.db"+suffix)))
	}
	closeStore(t, db)
	copyOver(t, side, r.data)
	before := stateOf(t, r.data)
	copyOver(t, side, r.data) // stateOf has closed it in good order

	report := r.run(nil)
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Stat(filepath.Join(r.data, "atocore.db"+suffix)); err == nil {
			t.Errorf("%s is still there", suffix)
		}
	}
	r.wants(r.was)
	// And what was in the log alone was saved.
	if report.PreRestoreSnapshot == "" {
		t.Fatal("no pre-restore snapshot")
	}
	r.undo()
	r.wants(before)

	// The log would have been taken for the restored database's.
	r.run(nil)
	writeFile(t, filepath.Join(r.data, "atocore.db-wal"), readFile(t, filepath.Join(side, "atocore.db-wal")))
	if db, err := sqlite.Open(t.Context(), storeConfig(r.data)); err == nil {
		findings, err := db.IntegrityCheck(t.Context())
		closeStore(t, db)
		if err == nil && len(findings) == 0 && digestOf(t, r.data) == r.was.Digest {
			t.Error("the stale log does no harm: this test proves nothing")
		}
	}
}

func copyOver(t testing.TB, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		writeFile(t, filepath.Join(to, e.Name()), readFile(t, filepath.Join(from, e.Name())))
	}
}

// hotJournal is a rollback journal that makes garbage of the first page, as if a
// transaction had been cut short.
func hotJournal(database string) string {
	const sector = 512
	pageSize := int(database[16])<<8 | int(database[17])
	be := func(v int) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }
	var j []byte
	j = append(j, 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7)
	for _, v := range []int{1, 7, len(database) / pageSize, sector, pageSize} { // records, nonce, pages, …
		j = append(j, be(v)...)
	}
	j = append(j, make([]byte, sector-len(j))...)
	page := []byte(strings.Repeat("garbage ", pageSize/8))
	check := 7
	for i := pageSize - 200; i > 0; i -= 200 {
		check += int(page[i])
	}
	j = append(append(append(j, be(1)...), page...), be(check)...)
	return string(j)
}

func TestHotJournal(t *testing.T) {
	r := newRig(t)
	db := filepath.Join(r.data, "atocore.db")
	journal := hotJournal(readFile(t, db))

	// A journal that is played back is the end of a database.
	victim := filepath.Join(t.TempDir(), "data")
	copyTree(t, r.data, victim)
	writeFile(t, filepath.Join(victim, "atocore.db-journal"), journal)
	if db, err := sqlite.Open(t.Context(), storeConfig(victim)); err == nil {
		db.Close()
		t.Fatal("the journal does no harm: this test proves nothing")
	}

	writeFile(t, db+"-journal", journal)
	r.run(func(o *restore.Options) { o.NoPreSnapshot = true })
	if _, err := os.Stat(db + "-journal"); err == nil {
		t.Error("the journal is still there")
	}
	r.wants(r.was)
}

// Commits that are in the log alone when the snapshot is taken are restored.
func TestCommitsInTheLog(t *testing.T) {
	r := newRig(t)
	db := openStore(t, r.data)
	add(t, db, r.data, "in the log alone")
	if strings.Contains(readFile(t, filepath.Join(r.data, "atocore.db")), "in the log alone") {
		t.Fatal("the record is in the database's file already")
	}
	r.stamp = r.create("")
	closeStore(t, db)
	want := stateOf(t, r.data)
	addTo(t, r.data, "since then")
	r.run(nil)
	r.wants(want)
}
