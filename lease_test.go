package atocore_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/atocore/atocore"
)

func TestLease(t *testing.T) {
	dir := t.TempDir()
	one, two := openStoreIn(t, dir, nil), openStoreIn(t, dir, nil)
	release, ok, err := one.Lease("work")
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, s := range []*atocore.Store{one, two} {
		if _, ok, err := s.Lease("work"); ok || err != nil {
			t.Errorf("taken twice: %v, %v", ok, err)
		}
	}
	other, ok, err := two.Lease("other-work")
	if !ok || err != nil {
		t.Fatalf("another name: %v, %v", ok, err)
	}
	if err := errors.Join(release(), other()); err != nil {
		t.Fatal(err)
	}
	again, ok, err := two.Lease("work")
	if !ok || err != nil {
		t.Fatalf("after release: %v, %v", ok, err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "../work", "Work", "atocore.lock", "a" + string(filepath.Separator)} {
		if _, _, err := one.Lease(name); !errors.Is(err, atocore.ErrInvalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
}
