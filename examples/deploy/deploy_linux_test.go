package deploy_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// need skips a test where a program is not to be had; in CI all of them are.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// Stand-ins for docker and curl. What "runs" is the commit in the file container;
// images are files with the commit that they were built from. Files in the same
// directory, with a commit in each, say what goes wrong with it.
const (
	standInDocker = `#!/bin/sh
set -eu
echo "docker $*" >>"$STAND_IN/log"
cd "$STAND_IN"
is() { [ -e "$1" ] && grep -qx "$2" "$1"; }
case $1 in
tag) from=${2#sha256:}; if [ -e "images/$from" ]; then cp "images/$from" "images/$3"; else echo "$from" >"images/$3"; fi ;;
inspect) case $3 in '{{.Image}}') echo "sha256:$(cat container)" ;; *) cat "images/$4" ;; esac ;;
image) ;;
compose)
	shift
	: >served
	while [ "$1" = -f ]; do cat "$2" >>served; shift 2; done
	case $1 in
	ps) if [ -e container ]; then echo 0123; fi ;;
	build) if is unbuildable "$BUILD_SHA"; then exit 1; fi
		echo "$BUILD_TIME $BUILD_VERSION" >provenance; echo "$BUILD_SHA" >"images/$ATOCORE_IMAGE" ;;
	up) if is unstartable "$(cat "images/$ATOCORE_IMAGE")"; then exit 1; fi
		cp "images/$ATOCORE_IMAGE" container; cp served config ;;
	run) [ ! -e unsaveable ] ;;
	logs) echo "what the service has said" ;;
	*) exit 99 ;;
	esac ;;
*) exit 99 ;;
esac
`
	standInCurl = `#!/bin/sh
set -eu
echo "curl $*" >>"$STAND_IN/log"
cd "$STAND_IN"
[ -e container ] || exit 7
running=$(cat container)
if [ -e sick ] && grep -qx "$running" sick; then
	if [ -p asked ]; then echo asked >asked; fi
	exit 22
fi
if [ -e stale ]; then running=$(cat stale); fi
printf '{"status":"ok","version":"v1","build_sha":"%s","uptime_s":1}\n' "$running"
`
)

// A server is a clone of a bare repository with deploy.sh in it, and a second clone
// in which somebody develops.
type server struct {
	t                  *testing.T
	origin, clone, dev string
	standIn            string
	script             string // as it is in the repository
}

func newServer(t *testing.T) *server {
	t.Helper()
	need(t, "bash", "git", "flock")
	dir := t.TempDir()
	s := &server{t: t, origin: filepath.Join(dir, "origin.git"), clone: filepath.Join(dir, "server"), dev: filepath.Join(dir, "dev"), standIn: filepath.Join(dir, "stand-in")}
	script, err := os.ReadFile("deploy.sh")
	if err != nil {
		t.Fatal(err)
	}
	s.script = string(script)
	s.write(filepath.Join(s.standIn, "bin", "docker"), standInDocker)
	s.write(filepath.Join(s.standIn, "bin", "curl"), standInCurl)
	s.write(filepath.Join(s.standIn, "log"), "")
	if err := os.Mkdir(filepath.Join(s.standIn, "images"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.git(dir, "init", "-q", "--bare", "-b", "main", s.origin)
	s.git(dir, "clone", "-q", s.origin, s.dev)
	s.git(s.dev, "checkout", "-q", "-b", "main")
	s.write(filepath.Join(s.dev, "examples/deploy/deploy.sh"), s.script)
	s.write(filepath.Join(s.dev, "examples/deploy/compose.yaml"), "services: {}\n")
	s.commit("main.go", "package main")
	s.git(dir, "clone", "-q", s.origin, s.clone)
	return s
}

func (s *server) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) env() []string {
	return append(os.Environ(),
		"PATH="+filepath.Join(s.standIn, "bin")+":"+os.Getenv("PATH"), "STAND_IN="+s.standIn,
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
		"DEPLOY_POLL=0.02", "DEPLOY_TIMEOUT=1", "DEPLOY_REMOTE=", "DEPLOY_COMPOSE=", "DEPLOY_SERVICE=", "DEPLOY_URL=", "ATOCORE_IMAGE=", "DEPLOY_REEXEC=")
}

func (s *server) git(dir string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "git", args...)
	cmd.Dir, cmd.Env = dir, s.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit has the developer push a change, and returns the commit.
func (s *server) commit(name, text string) string {
	s.t.Helper()
	s.write(filepath.Join(s.dev, name), text)
	s.git(s.dev, "add", "-A")
	s.git(s.dev, "commit", "-q", "-m", "change "+name)
	s.git(s.dev, "push", "-q", "origin", "main")
	return s.git(s.dev, "rev-parse", "HEAD")
}

// deploy runs the script and wants an exit code; it returns what the script says, and
// what docker and curl were asked for.
func (s *server) deploy(want int, args ...string) (said, log string) {
	s.t.Helper()
	cmd, out := s.command(args...)
	err := cmd.Run()
	return s.ended(cmd, err, out, want)
}

func (s *server) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	s.write(filepath.Join(s.standIn, "log"), "")
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(s.clone, "examples/deploy/deploy.sh"), args...)
	cmd.Dir, cmd.Env = s.t.TempDir(), s.env()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

func (s *server) ended(cmd *exec.Cmd, err error, out *bytes.Buffer, want int) (said, log string) {
	s.t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	text, readErr := os.ReadFile(filepath.Join(s.standIn, "log"))
	if readErr != nil {
		s.t.Fatal(readErr)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		s.t.Fatalf("exit code %d, want %d\n%s\n%s", got, want, out, text)
	}
	return out.String(), string(text)
}

// says has the stand-ins do something to a commit.
func (s *server) says(name, sha string) {
	s.t.Helper()
	s.write(filepath.Join(s.standIn, name), sha+"\n")
}

// runs wants the commit to be the one that runs; "" is none.
func (s *server) runs(want string) {
	s.t.Helper()
	got, err := os.ReadFile(filepath.Join(s.standIn, "container"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	if strings.TrimSpace(string(got)) != want {
		s.t.Errorf("%q runs, want %q", strings.TrimSpace(string(got)), want)
	}
}

func wantSaid(t *testing.T, said string, n int, what string) {
	t.Helper()
	if got := strings.Count(said, what); got != n {
		t.Errorf("%q is there %d times, want %d:\n%s", what, got, n, said)
	}
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.git(s.clone, "rev-parse", "HEAD")
	s.deploy(0)
	s.runs(first)

	second := s.commit("main.go", "package main // second")
	said, _ := s.deploy(0, "-n")
	wantSaid(t, said, 1, "would deploy "+second+" in place of "+first)
	s.runs(first)
	if got := s.git(s.clone, "rev-parse", "HEAD"); got != first {
		t.Errorf("a dry run has moved the working tree to %s", got)
	}

	said, log := s.deploy(0)
	s.runs(second)
	wantSaid(t, said, 1, "answers with "+second)
	wantSaid(t, log, 0, "compose run")
	provenance, err := os.ReadFile(filepath.Join(s.standIn, "provenance"))
	if err != nil || !strings.HasSuffix(string(provenance), "Z "+second[:7]+"\n") {
		t.Errorf("built with %q, %v", provenance, err)
	}

	said, log = s.deploy(0)
	wantSaid(t, said, 1, "nothing to deploy")
	wantSaid(t, log, 0, "build")
	_, log = s.deploy(0, "-f")
	wantSaid(t, log, 1, " build ")

	third := s.commit("main.go", "package main // third")
	_, log = s.deploy(0, "-s", "-b", "main")
	s.runs(third)
	if save, up := strings.Index(log, "backup create"), strings.Index(log, " build "); save < 0 || up < save {
		t.Errorf("no snapshot before the build:\n%s", log)
	}
}

func TestDeployFailsBeforeRestart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.git(s.clone, "rev-parse", "HEAD")
	s.deploy(0)
	second := s.commit("main.go", "package main // second")

	s.says("unsaveable", "")
	said, log := s.deploy(1, "-s")
	wantSaid(t, said, 1, "no snapshot could be taken")
	wantSaid(t, log, 0, " up ")

	s.says("unbuildable", second)
	said, log = s.deploy(1)
	wantSaid(t, said, 1, "the build failed")
	wantSaid(t, log, 0, " up ")
	s.runs(first)

	// The working tree has moved on, but what runs has not: the next one goes on.
	s.says("unbuildable", "")
	s.deploy(0)
	s.runs(second)

	if err := os.Rename(s.origin, s.origin+".away"); err != nil {
		t.Fatal(err)
	}
	said, _ = s.deploy(1)
	wantSaid(t, said, 1, "cannot be fetched")
	s.runs(second)
}

func TestDeployRollsBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, file string }{
		{"never healthy", "sick"},
		{"does not start", "unstartable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			first := s.git(s.clone, "rev-parse", "HEAD")
			s.deploy(0)
			second := s.commit("main.go", "package main // second")
			s.says(test.file, second)
			said, log := s.deploy(4)
			s.runs(first)
			wantSaid(t, said, 1, second+" was rolled back; "+first+" runs again")
			wantSaid(t, said, 1, "what the service has said")
			wantSaid(t, log, 2, " up ")

			said, log = s.deploy(3)
			wantSaid(t, said, 1, "was rolled back before")
			wantSaid(t, log, 0, " up ")
			s.deploy(4, "-f")
			s.runs(first)
			third := s.commit("main.go", "package main // third")
			s.deploy(0)
			s.runs(third)
		})
	}
}

// configured wants the service to have been started with these compose files.
func (s *server) configured(want string) {
	s.t.Helper()
	got, err := os.ReadFile(filepath.Join(s.standIn, "config"))
	if err != nil || string(got) != want {
		s.t.Errorf("started with %q, %v, want %q", got, err, want)
	}
}

// The compose file goes back with the image, and what the server's own file adds stays.
func TestDeployComposeFiles(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ignore, err := os.ReadFile(".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	s.commit("examples/deploy/.gitignore", string(ignore))
	first := s.commit("examples/deploy/compose.yaml", "first\n")
	s.deploy(0)
	s.configured("first\n")
	s.write(filepath.Join(s.clone, "examples/deploy/compose.override.yaml"), "own\n")

	second := s.commit("examples/deploy/compose.yaml", "second\n")
	s.says("sick", second)
	s.deploy(4)
	s.runs(first)
	s.configured("first\nown\n")
	s.deploy(3)
	if got := s.git(s.clone, "rev-parse", "HEAD"); got != first {
		t.Errorf("the working tree is at %s, and %s runs", got, first)
	}

	third := s.commit("examples/deploy/compose.yaml", "third\n")
	s.deploy(0)
	s.runs(third)
	s.configured("third\nown\n")
}

// An image of a registry with a port has no tag for all that.
func TestDeployNamesPreviousImage(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"": "atocore:previous", "example.org:5000/atocore": "example.org:5000/atocore:previous", "example.org:5000/atocore:v1": "example.org:5000/atocore:previous",
	} {
		s := newServer(t)
		s.write(filepath.Join(s.standIn, "container"), "0000\n")
		cmd, out := s.command()
		cmd.Env = append(cmd.Env, "ATOCORE_IMAGE="+image)
		_ = cmd.Run() // the stand-in has no directory for such an image
		log, err := os.ReadFile(filepath.Join(s.standIn, "log"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(log), " "+want+"\n") {
			t.Errorf("%q: no %s in\n%s\n%s", image, want, log, out)
		}
	}
}

// The service answers, and well, but is not the commit that was pulled.
func TestDeployStale(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.git(s.clone, "rev-parse", "HEAD")
	s.deploy(0)
	second := s.commit("main.go", "package main // second")
	s.says("stale", first)
	said, _ := s.deploy(4)
	wantSaid(t, said, 1, "answers with "+first+", not with "+second)
	s.runs(first)
}

func TestDeployCannotRollBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.git(s.clone, "rev-parse", "HEAD")
	s.says("sick", first)
	said, _ := s.deploy(5)
	wantSaid(t, said, 1, "there is no version before "+first)
	s.runs(first)

	// The previous image, which is there now, fails as well.
	second := s.commit("main.go", "package main // second")
	s.says("sick", first+"\n"+second)
	said, _ = s.deploy(5)
	wantSaid(t, said, 1, "going back to "+first)
	wantSaid(t, said, 1, second+" failed, and so does "+first)
	s.runs(first)
}

// edition is the script with a word of its own.
func (s *server) edition(n int) string {
	text := strings.Replace(s.script, "main() {\n", fmt.Sprintf("main() {\n\tsay 'edition %d'\n", n), 1)
	if text == s.script {
		s.t.Fatal("the script has no main")
	}
	return text
}

func TestDeployChangesItself(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.deploy(0)
	second := s.commit("examples/deploy/deploy.sh", s.edition(2))
	said, log := s.deploy(0, "-s")
	wantSaid(t, said, 1, "this script has changed")
	wantSaid(t, said, 1, "edition 2")
	wantSaid(t, log, 1, " build ")
	wantSaid(t, log, 1, "backup create") // the arguments have gone with it
	s.runs(second)

	said, _ = s.deploy(0)
	wantSaid(t, said, 0, "this script has changed")
}

// A third edition arrives while the first goes over to the second: it is not for now.
func TestDeployChangesItselfTwice(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.deploy(0)
	second := s.commit("examples/deploy/deploy.sh", s.edition(2))
	s.write(filepath.Join(s.dev, "examples/deploy/deploy.sh"), s.edition(3))
	s.git(s.dev, "commit", "-q", "-a", "-m", "third")
	third := s.git(s.dev, "rev-parse", "HEAD")
	hook := filepath.Join(s.clone, ".git/hooks/post-merge")
	s.write(hook, fmt.Sprintf("#!/bin/sh\nunset GIT_DIR\ngit -C %s push -q origin main\n", s.dev))

	said, _ := s.deploy(0)
	wantSaid(t, said, 1, "this script has changed")
	wantSaid(t, said, 1, "edition 2")
	wantSaid(t, said, 0, "edition 3")
	s.runs(second)
	if got := s.git(s.origin, "rev-parse", "main"); got != third {
		t.Fatalf("the third edition did not arrive meanwhile: %s", got)
	}

	said, _ = s.deploy(0)
	wantSaid(t, said, 1, "this script has changed")
	wantSaid(t, said, 1, "edition 3")
	s.runs(third)
}

func TestDeployRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.git(s.clone, "rev-parse", "HEAD")
	s.deploy(0)
	s.commit("main.go", "package main // second")

	lock, err := os.OpenFile(filepath.Join(s.clone, ".git/deploy.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	said, log := s.deploy(6)
	wantSaid(t, said, 1, "another deployment")
	if log != "" {
		t.Errorf("meanwhile it did %s", log)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}

	for what, name := range map[string]string{"changed": "main.go", "new": "other.go"} {
		s.write(filepath.Join(s.clone, name), "package other")
		said, _ := s.deploy(3)
		wantSaid(t, said, 1, name)
		t.Log(what)
		s.git(s.clone, "checkout", "-q", ".")
		s.git(s.clone, "clean", "-q", "-f")
	}

	said, _ = s.deploy(3, "-b", "release")
	wantSaid(t, said, 1, "main is checked out")
	s.deploy(2, "-x")
	s.deploy(2, "main")
	cmd, out := s.command()
	cmd.Env = append(cmd.Env, "DEPLOY_REEXEC="+first)
	said, _ = s.ended(cmd, cmd.Run(), out, 2)
	wantSaid(t, said, 1, "unset it")

	s.write(filepath.Join(s.clone, "main.go"), "package main // of the server's own")
	s.git(s.clone, "commit", "-q", "-a", "-m", "diverge")
	said, _ = s.deploy(3)
	wantSaid(t, said, 1, "has commits that origin has not")
	s.runs(first)
}

// Who gives up while the new version is awaited gets the old one.
func TestDeployInterrupted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.git(s.clone, "rev-parse", "HEAD")
	s.deploy(0)
	second := s.commit("main.go", "package main // second")
	s.says("sick", second)
	asked := filepath.Join(s.standIn, "asked")
	if err := unix.Mkfifo(asked, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, out := s.command()
	cmd.Env = append(cmd.Env, "DEPLOY_TIMEOUT=10")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(asked); err != nil { // curl has been asked for the new one
		t.Fatal(err)
	}
	if err := os.Remove(asked); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	said, _ := s.ended(cmd, cmd.Wait(), out, 4)
	wantSaid(t, said, 1, "interrupted")
	s.runs(first)
}

func TestShellcheck(t *testing.T) {
	need(t, "shellcheck")
	if out, err := exec.CommandContext(t.Context(), "shellcheck", "deploy.sh").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
