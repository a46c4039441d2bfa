//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHookWithoutReader has a prompt answered for an agent that has gone meanwhile:
// the hook ends with 0 all the same.
func TestHookWithoutReader(t *testing.T) {
	data := filepath.Join(t.TempDir(), "store")
	const fact = "The gateway of the staging cluster is restarted on Mondays."
	if out, err := child(t, data, "add", "knowledge", fact).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	payload := `{"session_id": "s", "prompt": "When is the gateway of the staging cluster restarted?"}`
	c := child(t, data, "hook", "prompt")
	c.Stdin = strings.NewReader(payload)
	if out, err := c.Output(); err != nil || !strings.Contains(string(out), "Mondays") {
		t.Fatalf("%v: %s", err, out)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	c = child(t, data, "hook", "prompt")
	c.Stdin, c.Stdout = strings.NewReader(payload), w
	if err := c.Run(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	storeOf(t, data) // with its check
}
