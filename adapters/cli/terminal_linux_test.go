package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal. shown closes it and returns what it was
// sent.
func terminal(t *testing.T) (tty *os.File, shown func() string) {
	t.Helper()
	master, tty := openTerminal(t)
	read := make(chan string)
	go func() {
		// The end of a pseudo-terminal is an error of its own.
		all, _ := io.ReadAll(master)
		master.Close()
		read <- string(all)
	}()
	return tty, func() string {
		tty.Close()
		return <-read
	}
}

// openTerminal opens both ends of a pseudo-terminal: what is written to master is
// typed into tty.
func openTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, tty
}

// TestReviewAsks asks about what waits where somebody is there to answer, and lists it
// elsewhere.
func TestReviewAsks(t *testing.T) {
	data := filepath.Join(t.TempDir(), "store")
	if exit := run(t.Context(), data, nil, io.Discard, io.Discard, "add", "knowledge", "The depot closes at six.", "--candidate"); exit != 0 {
		t.Fatalf("exit code %d", exit)
	}
	for _, args := range [][]string{{"review", "--json"}, {"review", "--no-interactive"}} {
		master, tty := openTerminal(t)
		var stderr bytes.Buffer
		if exit := run(t.Context(), data, tty, tty, &stderr, args...); exit != 0 || stderr.Len() > 0 {
			t.Errorf("%q: exit code %d, %s", args, exit, &stderr)
		}
		tty.Close()
		master.Close()
	}
	master, tty := openTerminal(t)
	if _, err := master.WriteString("a\n"); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	exit := run(t.Context(), data, tty, tty, &stderr, "review")
	tty.Close()
	master.Close()
	if exit != 0 || !strings.Contains(stderr.String(), "The depot closes at six.") || !strings.Contains(stderr.String(), "1 accepted, 0 rejected, 0 left") {
		t.Errorf("exit code %d, %s", exit, &stderr)
	}
}

// TestProgress has bars on a terminal, and neither elsewhere nor with --quiet.
func TestProgress(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.md", i)), []byte("# Page\n\nText.\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	ingest := func(stderr io.Writer, args ...string) {
		t.Helper()
		args = append([]string{"ingest", dir}, args...)
		if exit := run(t.Context(), filepath.Join(t.TempDir(), "store"), nil, io.Discard, stderr, args...); exit != 0 {
			t.Fatalf("exit code %d", exit)
		}
	}

	tty, shown := terminal(t)
	ingest(tty)
	if got := shown(); !strings.Contains(got, "ingest") {
		t.Errorf("on a terminal: %q, want a bar", got)
	}
	tty, shown = terminal(t)
	ingest(tty, "--quiet")
	if got := shown(); got != "" {
		t.Errorf("with --quiet: %q, want nothing", got)
	}
	var file bytes.Buffer
	ingest(&file)
	if got := file.String(); got != "" {
		t.Errorf("elsewhere: %q, want nothing", got)
	}
}

// TestHostileText stores what would clear the screen and asks for it on a
// terminal in every way there is.
func TestHostileText(t *testing.T) {
	data := filepath.Join(t.TempDir(), "store")
	const text = "Zebra \x1b[2J\x1b]0;owned\x07 \u009b31m and \u202e on."
	if exit := run(t.Context(), data, strings.NewReader(text), io.Discard, io.Discard, "add", "knowledge", "-"); exit != 0 {
		t.Fatalf("exit code %d", exit)
	}
	for _, args := range [][]string{
		{"list"},
		{"list", "--json"},
		{"search", "zebra"},
		{"search", "zebra", "--json"},
		{"context", "zebra"},
		{"context", "zebra", "--json"},
		{"add", "knowledge", text},
		{"get", text}, // in an error
		{"add", text, "x"},
	} {
		tty, shown := terminal(t)
		run(t.Context(), data, nil, tty, tty, args...)
		got := shown()
		if !strings.Contains(got, "Zebra") {
			t.Errorf("%q: %q does not show the text", args, got)
		}
		if strings.ContainsAny(got, "\x1b\x07\u009b\u202e") {
			t.Errorf("%q drives the terminal: %q", args, got)
		}
	}
}
