package atocore

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/atocore/atocore/internal/sqlite"
)

// A sweep in the group of a transaction that removes a document takes no
// original away when the group's commit fails, and the document stays.
func TestSweepInAGroupThatFails(t *testing.T) {
	ctx := t.Context()
	s, err := Open(ctx, t.TempDir(), &Options{CompileCache: filepath.Join(os.TempDir(), "atocore-test-wasm")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Ingest(ctx, fstest.MapFS{"a.txt": {Data: []byte("text")}}, &IngestOptions{KeepOriginals: true}); err != nil {
		t.Fatal(err)
	}
	var d Document
	for d, err = range s.Documents(ctx, DocumentFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	swept := make(chan error, 1)
	err = s.db.Write(ctx, func(tx *sqlite.Tx) error {
		// What is to fail at the commit refers to a document that is not there.
		if err := tx.ExecScript(`PRAGMA defer_foreign_keys = ON; UPDATE documents SET kept = 0; UPDATE chunks SET document = 'none'`); err != nil {
			return err
		}
		go func() { swept <- s.sweepOriginals(ctx, []string{d.SHA256}) }()
		time.Sleep(100 * time.Millisecond) // it stands in line by then
		return nil
	})
	if err == nil {
		t.Fatal("the group was committed")
	}
	if err := <-swept; err == nil {
		t.Log("the sweep was not in the group")
	}
	report, err := s.Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Errorf("%+v", f)
	}
}
