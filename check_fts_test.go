package atocore_test

import (
	"fmt"
	"testing"

	"github.com/atocore/atocore"
)

// A check is true also where other connections have written since this one
// checked the full text.
func TestCheckAfterOthersHaveWritten(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	a, b := openStoreIn(t, dir, nil), openStoreIn(t, dir, nil)
	for i := range 30 {
		for j := range 5 {
			if _, err := b.Remember(ctx, atocore.Memory{Type: atocore.Knowledge, Content: fmt.Sprintf("fact %d of round %d", j, i)}); err != nil {
				t.Fatal(err)
			}
		}
		report, err := a.Check(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !report.OK {
			t.Fatalf("round %d: %+v", i, report.Findings)
		}
	}
}
