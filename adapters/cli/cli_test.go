package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/atocore/atocore/adapters/cli"
)

// home is the home directory of all tests. They share it because the compiled
// engine is cached there; compiling it takes longer than a test.
var home string

// suite makes home before the tests and removes it after them.
type suite struct{ *testing.M }

func (s suite) Run() int {
	var err error
	if home, err = os.MkdirTemp("", "atocore-cli-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(home)
	return s.M.Run()
}

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){
		// What cmd/atocore does, so that scripts see the program as it is.
		"atocore": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			context.AfterFunc(ctx, stop)
			os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
		},
	})
}

func TestScripts(t *testing.T) {
	// The scripts run side by side. This has the engine compiled before all
	// of them do it.
	var stderr strings.Builder
	if exit := run(t.Context(), t.TempDir(), nil, io.Discard, &stderr, "project", "add", "first"); exit != 0 {
		t.Fatalf("the first command exits with %d: %s", exit, stderr.String())
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for key, value := range homes() {
				env.Setenv(key, value)
			}
			env.Setenv("ATOCORE_DATA", filepath.Join(env.WorkDir, "store"))
			env.Setenv("ATOCORE_CONFIG", "")
			env.Setenv("NOT_UTF8", "caf\xff\xfe") // a script is UTF-8 itself
			return nil
		},
		Cmds: commands,
	})
}

// homes sends what any platform puts under the home directory to home.
func homes() map[string]string {
	env := map[string]string{}
	for _, key := range []string{"HOME", "USERPROFILE", "LocalAppData", "AppData", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		env[key] = home
	}
	return env
}

// run runs a command line in this process.
func run(ctx context.Context, data string, stdin io.Reader, stdout, stderr io.Writer, args ...string) (exit int) {
	env := homes()
	env["ATOCORE_DATA"] = data
	return cli.Run(ctx, args, stdin, stdout, stderr, func(key string) string { return env[key] })
}

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":   cmdExits,
	"json":    cmdJSON,
	"keys":    cmdKeys,
	"capture": cmdCapture,
	"repeat":  cmdRepeat,
	"bytes":   cmdBytes,
	"patch":   cmdPatch,
}

// exits CODE COMMAND… runs a command and wants that exit code. A command that
// fails must have left standard output empty, unless it is about faults found.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if out := ts.ReadFile("stdout"); got != 0 && got != 4 && out != "" {
		ts.Fatalf("failed, but wrote to standard output: %q", out)
	}
}

// decode reads one JSON document and nothing else from a file of the script.
func decode(ts *testscript.TestScript, file string) any {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	dec.UseNumber()
	var doc any
	ts.Check(dec.Decode(&doc))
	if _, err := dec.Token(); err != io.EOF {
		ts.Fatalf("%s holds more than one JSON document", file)
	}
	return doc
}

// at follows a path such as hits.0.kind; len at its end is the length of a list.
func at(ts *testscript.TestScript, doc any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				ts.Fatalf("no key %q on the way to %s", step, path)
			}
			doc = next
		case []any:
			if step == "len" {
				return json.Number(strconv.Itoa(len(v)))
			}
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				ts.Fatalf("no element %q on the way to %s", step, path)
			}
			doc = v[i]
		default:
			ts.Fatalf("nothing below %v on the way to %s", doc, path)
		}
	}
	return doc
}

// json FILE PATH WANT compares one value of the one JSON document in FILE.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}
	got := fmt.Sprint(at(ts, decode(ts, args[0]), args[1]))
	if (got == args[2]) == neg {
		ts.Fatalf("%s is %q, want %q (negated: %v)", args[1], got, args[2], neg)
	}
}

// keys FILE PATH KEY… wants exactly those keys there, "." being the document
// itself; ! keys wants none of them.
func cmdKeys(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: keys FILE PATH KEY…")
	}
	doc := decode(ts, args[0])
	if args[1] != "." {
		doc = at(ts, doc, args[1])
	}
	object, ok := doc.(map[string]any)
	if !ok {
		ts.Fatalf("%s is no object", args[1])
	}
	for _, key := range args[2:] {
		if _, ok := object[key]; ok == neg {
			ts.Fatalf("key %q is there: %v", key, ok)
		}
	}
	if !neg {
		for key := range object {
			if !slices.Contains(args[2:], key) {
				ts.Fatalf("unexpected key %q", key)
			}
		}
	}
}

// capture NAME FILE PATH puts a value of a JSON document into the environment.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture NAME FILE PATH")
	}
	ts.Setenv(args[0], fmt.Sprint(at(ts, decode(ts, args[1]), args[2])))
}

// repeat FILE N TEXT writes TEXT N times.
func cmdRepeat(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: repeat FILE N TEXT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(args[2], n)), 0o666))
}

// bytes FILE TEXT writes TEXT, in which \xNN and the like are bytes.
func cmdBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bytes FILE TEXT")
	}
	text, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o666))
}

// patch FILE OFFSET TEXT overwrites bytes of a file.
func cmdPatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: patch FILE OFFSET TEXT")
	}
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte(text), offset)
	ts.Check(errors.Join(err, f.Close()))
}
