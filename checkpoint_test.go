package atocore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/atocore/atocore"
)

// A checkpoint empties the log; it waits for readers no longer than it is told.
func TestCheckpoint(t *testing.T) {
	s := openStore(t, nil)
	ctx := t.Context()
	logged := func() int64 { return must(s.Stats(ctx))(t).WALBytes }
	remember(t, s, statement("one"))
	if logged() == 0 {
		t.Fatal("a write leaves nothing in the log, so that nothing is shown")
	}
	if err := s.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	if n := logged(); n != 0 {
		t.Errorf("the log has %d bytes", n)
	}
	before := digest(t, s)
	remember(t, s, statement("two"))
	for range s.Memories(ctx, atocore.MemoryFilter{}) { // a reader of the log
		remember(t, s, statement("three"))
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		if err := s.Checkpoint(short); !errors.Is(err, atocore.ErrBusy) {
			t.Errorf("while somebody reads: got %v", err)
		}
		cancel()
		break
	}
	if err := s.Checkpoint(ctx); err != nil || logged() != 0 {
		t.Errorf("after the reader: %v, and %d bytes", err, logged())
	}
	if digest(t, s) == before {
		t.Error("what was written is gone")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Checkpoint(ctx); !errors.Is(err, atocore.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}
