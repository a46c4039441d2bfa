package hooks_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/hooks"
)

// request is for a settings file that holds text, or is not there.
func request(t testing.TB, text *string) hooks.Request {
	t.Helper()
	r := hooks.Request{File: filepath.Join(t.TempDir(), "settings.json"), Program: "/opt/atocore"}
	if text != nil {
		if err := os.WriteFile(r.File, []byte(*text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func install(t testing.TB, r hooks.Request) string {
	t.Helper()
	c, err := hooks.Install(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(); err != nil {
		t.Fatal(err)
	}
	return string(c.After)
}

func uninstall(t testing.TB, r hooks.Request) string {
	t.Helper()
	c, err := hooks.Uninstall(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(); err != nil {
		t.Fatal(err)
	}
	return string(c.After)
}

// TestInstallText is what becomes of settings, to the byte.
func TestInstallText(t *testing.T) {
	const entries = `      {
        "hooks": [
          {
            "type": "command",
            "command": "/opt/atocore hook VERB",
            "timeout": 30
          }
        ]
      }`
	stop, prompt := strings.ReplaceAll(entries, "VERB", "stop"), strings.ReplaceAll(entries, "VERB", "prompt")
	both := "\"hooks\": {\n    \"Stop\": [\n" + stop + "\n    ],\n    \"UserPromptSubmit\": [\n" + prompt + "\n    ]\n  }"
	tabs := func(s string) string { return strings.ReplaceAll(s, "  ", "\t") }
	for _, tt := range []struct{ name, before, after string }{
		{"empty", "", "{\n  " + both + "\n}\n"},
		{"an empty object", "{}", "{\n  " + both + "\n}"},
		{"other keys", "{\n  \"model\": \"x\",\n  \"n\": 1.50e+02\n}\n", "{\n  \"model\": \"x\",\n  \"n\": 1.50e+02,\n  " + both + "\n}\n"},
		{"tabs", "{\n\t\"z\": [1, 2,3],\n\t\"a\": {}\n}\n", "{\n\t\"z\": [1, 2,3],\n\t\"a\": {},\n\t" + tabs(both) + "\n}\n"},
		{
			"line ends of Windows", "{\r\n  \"a\": 1\r\n}\r\n",
			"{\r\n  \"a\": 1,\r\n  " + strings.ReplaceAll(both, "\n", "\r\n") + "\r\n}\r\n",
		},
		{
			"one line", `{"a":1}`,
			`{"a":1, "hooks": {"Stop":[{"hooks":[{"type":"command","command":"/opt/atocore hook stop","timeout":30}]}], "UserPromptSubmit": [{"hooks":[{"type":"command","command":"/opt/atocore hook prompt","timeout":30}]}]}}`,
		},
		{
			"other hooks", "{\n  \"hooks\": {\n    \"Stop\": [\n      { \"hooks\": [ { \"type\": \"command\", \"command\": \"say done\" } ] }\n    ]\n  }\n}\n",
			"{\n  \"hooks\": {\n    \"Stop\": [\n      { \"hooks\": [ { \"type\": \"command\", \"command\": \"say done\" } ] },\n" + stop + "\n    ],\n    \"UserPromptSubmit\": [\n" + prompt + "\n    ]\n  }\n}\n",
		},
		{
			"an empty list", "{\n  \"hooks\": {\n    \"Stop\": []\n  }\n}\n",
			"{\n  \"hooks\": {\n    \"Stop\": [\n" + stop + "\n    ],\n    \"UserPromptSubmit\": [\n" + prompt + "\n    ]\n  }\n}\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, &tt.before)
			if d := cmp.Diff(tt.after, install(t, r)); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if again := install(t, r); again != tt.after {
				t.Errorf("the second time it becomes\n%s", again)
			}
			gone := uninstall(t, r)
			if tt.name == "empty" || tt.name == "an empty list" {
				if strings.Contains(gone, "atocore") || !json.Valid([]byte(gone)) {
					t.Errorf("without the hooks it is\n%s", gone)
				}
				return
			}
			if d := cmp.Diff(tt.before, gone); d != "" {
				t.Errorf("without the hooks it is not as it was: -want +got\n%s", d)
			}
		})
	}
}

// TestInstallMoved puts in order the hooks of another atocore, and what is there
// twice.
func TestInstallMoved(t *testing.T) {
	before := `{"hooks": {"Stop": [
    {"hooks": [{"type": "command", "command": "'/old place/atocore' hook stop --data /x"}, {"type": "command", "command": "say done"}]},
    {"hooks": [{"type": "command", "command": "\"C:\\Program Files\\atocore.exe\" --data /y hook stop"}]},
    {"matcher": "x", "hooks": [{"type": "command", "command": "my-atocore hook stop"}, {"type": "prompt", "prompt": "atocore hook stop"}]}
  ], "PreToolUse": [{"hooks": [{"type": "command", "command": "atocore hook stop"}]}]}, "big": 123456789012345678901234567890.1}`
	r := request(t, &before)
	r.Args = []string{"--data", "/srv/my store"}
	got := install(t, r)
	want := strings.Replace(before, `'/old place/atocore' hook stop --data /x`, `/opt/atocore hook stop --data '/srv/my store'`, 1)
	want = strings.Replace(want, `
    {"hooks": [{"type": "command", "command": "\"C:\\Program Files\\atocore.exe\" --data /y hook stop"}]},`, "", 1)
	if !strings.HasPrefix(got, want[:strings.Index(want, `]}, "big"`)]) {
		t.Errorf("it becomes\n%s\nwant it to begin as\n%s", got, want)
	}
	if strings.Count(got, "hook stop --data") != 1 || strings.Count(got, "hook prompt --data") != 1 {
		t.Errorf("it becomes\n%s", got)
	}
	gone := uninstall(t, r)
	for _, kept := range []string{`"say done"`, `"my-atocore hook stop"`, `"prompt": "atocore hook stop"`, `"PreToolUse": [{"hooks": [{"type": "command", "command": "atocore hook stop"}]}]`, "123456789012345678901234567890.1"} {
		if !strings.Contains(gone, kept) {
			t.Errorf("%s is gone from\n%s", kept, gone)
		}
	}
	if strings.Contains(gone, "/opt/atocore") || strings.Contains(gone, "UserPromptSubmit") {
		t.Errorf("left is\n%s", gone)
	}
}

// TestUninstallByProgram takes out hooks of an atocore that is called something else.
func TestUninstallByProgram(t *testing.T) {
	for _, program := range []string{"/opt/memory", "/opt/atocore-1.2"} {
		r := request(t, nil)
		r.Program = program
		install(t, r)
		if r.Program != "/opt/memory" {
			r.Program = ""
		}
		if got := uninstall(t, r); strings.Contains(got, "hook") {
			t.Errorf("%s: left is\n%s", program, got)
		}
	}
}

// TestInstallKeepsMark keeps what an editor began the file with.
func TestInstallKeepsMark(t *testing.T) {
	before := "\xef\xbb\xbf{\r\n  \"a\": 1\r\n}\r\n"
	r := request(t, &before)
	if got := install(t, r); !strings.HasPrefix(got, before[:14]) || !strings.Contains(got, "/opt/atocore hook stop") {
		t.Errorf("it becomes %q", got)
	}
	if got := uninstall(t, r); got != before {
		t.Errorf("it becomes %q, want %q", got, before)
	}
}

// TestInstallRefuses leaves alone what it does not understand.
func TestInstallRefuses(t *testing.T) {
	for _, before := range []string{
		"{", "[]", "7", "null", "{} {}", "// a comment\n{}", `{"a": 1,}`, "\xff", `{"hooks": []}`, `{"hooks": {"Stop": {}}}`, `{"hooks": null}`,
	} {
		r := request(t, &before)
		for verb, plan := range map[string]func(hooks.Request) (hooks.Change, error){"install": hooks.Install, "uninstall": hooks.Uninstall} {
			if _, err := plan(r); !errors.Is(err, atocore.ErrInvalid) || !strings.Contains(err.Error(), r.File) {
				t.Errorf("%s in %q: %v, want ErrInvalid with the file's name", verb, before, err)
			}
		}
		if now, err := os.ReadFile(r.File); err != nil || string(now) != before {
			t.Errorf("%q has become %q, %v", before, now, err)
		}
	}
	r := request(t, nil)
	r.File, r.Scope = "", "everywhere"
	if _, err := hooks.Install(r); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("an unknown scope: %v", err)
	}
	r.Scope, r.Agent = hooks.User, "nobody"
	if _, err := hooks.Install(r); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("an unknown agent: %v", err)
	}
}

func TestSettingsPlaces(t *testing.T) {
	env := map[string]string{}
	place := hooks.Place{Home: "/home/ines", Root: "/src/tool", Getenv: func(k string) string { return env[k] }}
	file := func(scope string) string {
		t.Helper()
		c, err := hooks.Uninstall(hooks.Request{Scope: scope, Place: place})
		if err != nil {
			t.Fatal(err)
		}
		return filepath.ToSlash(c.File)
	}
	for scope, want := range map[string]string{
		"": "/home/ines/.claude/settings.json", hooks.User: "/home/ines/.claude/settings.json",
		hooks.Project: "/src/tool/.claude/settings.json", hooks.Local: "/src/tool/.claude/settings.local.json",
	} {
		if got := file(scope); !strings.HasSuffix(got, want) {
			t.Errorf("%q is %s, want %s", scope, got, want)
		}
	}
	env["CLAUDE_CONFIG_DIR"] = "/etc/claude"
	if got := file(hooks.User); !strings.HasSuffix(got, "/etc/claude/settings.json") {
		t.Errorf("with a directory of its own it is %s", got)
	}
	place = hooks.Place{Getenv: func(string) string { return "" }}
	if _, err := hooks.Uninstall(hooks.Request{Place: place}); !errors.Is(err, atocore.ErrInvalid) {
		t.Errorf("without a home directory: %v", err)
	}
}

// TestWrite keeps a copy, the mode, and a link.
func TestWrite(t *testing.T) {
	before := "{\n  \"a\": 1\n}\n"
	r := request(t, &before)
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(r.File, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	real := r.File
	r.File = link
	c, err := hooks.Install(r)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Changed() || !strings.Contains(c.Diff(), "+  \"hooks\": {") || !strings.Contains(c.Diff(), "@@") {
		t.Errorf("the difference is\n%s", c.Diff())
	}
	backup, err := c.Write()
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(backup); err != nil || string(kept) != before || filepath.Dir(backup) != filepath.Dir(link) {
		t.Errorf("the copy %s is %q, %v", backup, kept, err)
	}
	info, err := os.Lstat(real)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if now, err := os.ReadFile(real); err != nil || string(now) != string(c.After) {
		t.Errorf("the file is %q, %v", now, err)
	}
	left, err := os.ReadDir(filepath.Dir(real))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the file there are %v, %v", left, err)
	}
	// Somebody else has written it since it was read.
	c, err = hooks.Uninstall(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(real, []byte("{}"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(); err == nil {
		t.Error("what somebody else has written was written over")
	}
	if now, err := os.ReadFile(real); err != nil || string(now) != "{}" {
		t.Errorf("the file is %q, %v", now, err)
	}
	// A file that is not there yet, behind a link.
	r.File = filepath.Join(t.TempDir(), "dangling.json")
	target := filepath.Join(t.TempDir(), "new", "settings.json")
	if err := os.Symlink(target, r.File); err != nil {
		t.Fatal(err)
	}
	install(t, r)
	if info, err := os.Lstat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new file is %v, %v", info, err)
	}
}

// TestWriteDurable sees that the old file or the new one is there, whole, at any
// time: a reader that reads on and on while it is written.
func TestWriteDurable(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "settings.json")
	texts := []string{strings.Repeat("a", 100_000), strings.Repeat("b", 200_000)}
	if err := os.WriteFile(name, []byte(texts[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		var err error
		for n := 0; n < 20 && err == nil; n++ {
			err = hooks.WriteSettings(name, []byte(texts[n%2]), 0o600)
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
			if now, err := os.ReadFile(name); err != nil || string(now) != texts[0] && string(now) != texts[1] {
				t.Fatalf("half a file: %d bytes, %v", len(now), err)
			}
		}
	}
}

func TestShellLine(t *testing.T) {
	for _, words := range [][]string{{"a"}, {"/a b/c", "d'e", `f"g`, `h\i`, "", "$x", "*", "é"}, {`C:\x y\atocore.exe`, "hook", "stop"}} {
		if got := hooks.ShellWords(hooks.ShellLine(words)); !cmp.Equal(got, words) {
			t.Errorf("%q becomes %s and that %q", words, hooks.ShellLine(words), got)
		}
	}
	if got := hooks.ShellLine([]string{"/usr/local/bin/atocore", "hook", "stop"}); got != "/usr/local/bin/atocore hook stop" {
		t.Errorf("what needs no quotes has them: %s", got)
	}
}

// FuzzInstall holds that settings stay valid, that nothing else changes, that a
// second time changes nothing, and that it can be taken back.
func FuzzInstall(f *testing.F) {
	f.Add([]byte(`{"hooks":{"Stop":[{"hooks":[{"command":"atocore hook stop"}]}]}}`))
	f.Add([]byte("{\n\t\"a\": [ ]\n}"))
	f.Add([]byte(`{"hooks":{},"hooks":{"Stop":[]}}`))
	f.Add([]byte(`{"hooks":{"Stop":[{"hooks":[{"command":"atocore hook stop"},{"command":"atocore hook stop"}]},7,{"hooks":{}}]}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, before []byte) {
		r := hooks.Request{File: filepath.Join(dir, "settings.json"), Program: "/opt/atocore"}
		if err := os.WriteFile(r.File, before, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := hooks.Install(r)
		if err != nil {
			return
		}
		if err := os.WriteFile(r.File, c.After, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := hooks.Install(r)
		if err != nil || again.Changed() {
			t.Fatalf("%q, then %q, then %q, %v", before, c.After, again.After, err)
		}
		gone, err := hooks.Uninstall(r)
		if err != nil || !json.Valid(gone.After) {
			t.Fatalf("%q, then %q, then %q, %v", before, c.After, gone.After, err)
		}
		var was, is map[string]any
		if json.Unmarshal(before, &was) != nil {
			return // empty
		}
		if err := json.Unmarshal(gone.After, &is); err != nil {
			t.Fatal(err)
		}
		delete(was, "hooks")
		delete(is, "hooks")
		if d := cmp.Diff(was, is); d != "" {
			t.Fatalf("%q, then %q: %s", before, gone.After, d)
		}
	})
}
