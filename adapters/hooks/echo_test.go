package hooks_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/adapters/hooks"
)

// TestEcho keeps nothing of what was given to the session, marked or not, and lays
// nothing of it about but hashes.
func TestEcho(t *testing.T) {
	d := newDesk(t)
	const fact = "The gateway of the staging cluster listens on port 8443."
	d.remember("", fact)
	given := d.prompt(question[2:])
	if given == "" {
		t.Fatal("nothing was given")
	}
	if err := filepath.WalkDir(filepath.Join(d.dir, "hooks"), func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte("gateway")) || bytes.Contains(b, []byte("8443")) {
			t.Errorf("%s has what was given:\n%s", name, b)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	answer := given + "\n(" + fact + ")\nFrom memory: " + fact + "\n" + fact[:len(fact)-1] + "; " + fact + "\nAs you noted:\n- " + fact + " [1]\n> " + fact + "\n**" + fact[:len(fact)-1] + "**\n" +
		"So it is clear. " + fact + " I have opened the firewall for it.\nWe decided to move the gateway to port 9443 in May.\n"
	d.say(question, "a "+answer)
	d.stop(nil)
	all := d.interactions()
	if len(all) != 1 {
		t.Fatalf("the interactions are %+v", all)
	}
	want := "As you noted:\nSo it is clear. I have opened the firewall for it.\nWe decided to move the gateway to port 9443 in May."
	if got := strings.TrimSpace(all[0].Response); got != want {
		t.Errorf("the answer is kept as\n%s\nwant\n%s", got, want)
	}
	// Another session has not been given it: there it is said.
	d.stop(map[string]any{"session_id": "another", "last_assistant_message": "Let me see. " + fact})
	if all := d.interactions(); len(all) != 2 || !strings.Contains(all[1].Response, "8443") {
		t.Errorf("the other session's is %+v", all)
	}
}

func TestEchoID(t *testing.T) {
	id, ok := hooks.EchoID("The landlord is Mr Okafor, at 12 Mill Lane.")
	if !ok {
		t.Fatal("there is none")
	}
	for _, same := range []string{
		"> The landlord is Mr Okafor, at 12 Mill Lane.\n", "- the landlord is Mr Okafor, at 12 Mill Lane [3]", "3. **The landlord** is `Mr Okafor`, at 12 Mill Lane",
		"  *   The  landlord is Mr Okafor, at 12 Mill Lane. [3] ", "[3] The landlord is Mr Okafor, at 12 Mill Lane!",
	} {
		if got, _ := hooks.EchoID(same); got != id {
			t.Errorf("%q is taken for something else", same)
		}
	}
	for _, other := range []string{"The landlord is Mr Okafor, at 13 Mill Lane.", "The landlord is not Mr Okafor, at 12 Mill Lane."} {
		if got, _ := hooks.EchoID(other); got == id {
			t.Errorf("%q is taken for the same", other)
		}
	}
	for _, short := range []string{"", "Yes.", "> 1. [2]", "It works now", "- a b c"} {
		if _, ok := hooks.EchoID(short); ok {
			t.Errorf("%q could be anybody's", short)
		}
	}
}

// TestEchoBounded keeps few hashes of few sessions.
func TestEchoBounded(t *testing.T) {
	d := newDesk(t)
	dir := filepath.Join(d.dir, "hooks", "packs")
	d.remember("", "The gateway of the staging cluster listens on port 8443.")
	d.prompt(question[2:])
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("there are %q, %v", files, err)
	}
	lines := make([]string, 9000)
	for i := range lines {
		lines[i] = fmt.Sprintf("%016x", i)
	}
	b, err := json.Marshal(map[string]any{"lines": lines})
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "00000000000000000000000000000000.json")
	for _, name := range []string{files[0], old} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().AddDate(0, -2, 0)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	d.prompt(question[2:])
	var got struct{ Lines []string }
	if b, err = os.ReadFile(files[0]); err != nil || json.Unmarshal(b, &got) != nil || len(got.Lines) != 5000 || got.Lines[0] == lines[0] {
		t.Errorf("there are %d hashes, %v, want the 5000 newest", len(got.Lines), err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is two months old is still there: %v", err)
	}
}
