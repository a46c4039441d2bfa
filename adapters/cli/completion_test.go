package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBashCompletion sources the script in a real bash and asks it as a shell
// does. The program that it calls is this test, under the name of atocore.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "atocore")); err != nil {
		t.Skipf("no links here: %v", err)
	}
	for _, test := range []struct{ words, want string }{
		{`atocore do`, "doctor"},
		{`atocore state ""`, "set list unset"},
		{`atocore add pre`, "preference"},
		{`atocore search x --mode ""`, "hybrid text vector"},
		{`atocore ingest ""`, ""},
	} {
		script := `source <(atocore completion bash)
COMP_WORDS=(` + test.words + `)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_atocore
echo "${COMPREPLY[*]}"`
		cmd := exec.CommandContext(t.Context(), bash, "--norc", "--noprofile", "-c", script)
		cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", test.words, err, out)
		}
		if got := strings.TrimSpace(string(out)); got != test.want {
			t.Errorf("%s: completed to %q, want %q", test.words, got, test.want)
		}
	}
}
