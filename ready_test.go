package atocore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/atocore/atocore"
)

func TestReady(t *testing.T) {
	s := openUnchecked(t, t.TempDir(), nil)
	remember(t, s, statement("Water is wet."))
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := digest(t, s)
	name := filepath.Join(s.Dir(), "atocore.db")
	if err := os.Rename(name, name+".away"); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("without its file: %v", err)
	}
	if _, err := s.Remember(t.Context(), statement("Ice floats.")); !errors.Is(err, atocore.ErrNotFound) {
		t.Errorf("a write without its file: %v", err)
	}
	if err := os.WriteFile(name, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, atocore.ErrForeign) {
		t.Errorf("with another file: %v", err)
	}
	if _, err := s.Remember(t.Context(), statement("Ice floats.")); !errors.Is(err, atocore.ErrForeign) {
		t.Errorf("a write with another file: %v", err)
	}
	if err := os.Rename(name+".away", name); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("with its file again: %v", err)
	}
	if got := digest(t, s); got != before {
		t.Error("a look has changed the store")
	}
	checkStore(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, atocore.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestReadyDamaged has pages of the database overwritten under an open store: a call
// that meets one tells those who ask.
func TestReadyDamaged(t *testing.T) {
	dir := t.TempDir()
	first := openUnchecked(t, dir, nil)
	remember(t, first, statement("Water is wet."))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s := openUnchecked(t, dir, nil)
	if err := s.Ready(t.Context()); err != nil { // what it reads is then in memory
		t.Fatal(err)
	}
	name := filepath.Join(dir, "atocore.db")
	pages, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(pages); i++ {
		pages[i] = byte(i)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(pages); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var damage error
	for _, err := range s.Memories(t.Context(), atocore.MemoryFilter{}) {
		damage = err
	}
	if !errors.Is(damage, atocore.ErrCorrupt) {
		t.Fatalf("a listing: %v", damage)
	}
	if err := s.Ready(t.Context()); !errors.Is(err, atocore.ErrCorrupt) {
		t.Errorf("after a listing met the damage: %v", err)
	}
}
