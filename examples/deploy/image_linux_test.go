package deploy_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// containerEnv makes a process of this test a container, as far as the kernel is
// concerned.
const containerEnv = "DEPLOY_TEST_CONTAINER"

// A container is a root directory with mounts, and a command in it.
type container struct {
	Root   string
	Mounts [][2]string // host directory, mount point
	Env    []string
	Args   []string
	UID    int
}

func init() {
	text := os.Getenv(containerEnv)
	if text == "" {
		return
	}
	var c container
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		err = c.enter()
	}
	fmt.Fprintln(os.Stderr, "container:", err)
	os.Exit(125)
}

// enter replaces this process, which has mounts of its own, by the command.
func (c *container) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount(c.Root, c.Root, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	for _, m := range c.Mounts {
		if err := unix.Mount(m[0], filepath.Join(c.Root, m[1]), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", m[1], err)
		}
	}
	if err := unix.Mount("", c.Root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := errors.Join(unix.Chroot(c.Root), unix.Chdir("/"), unix.Setgroups(nil), unix.Setresgid(c.UID, c.UID, c.UID), unix.Setresuid(c.UID, c.UID, c.UID)); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Exec(c.Args[0], c.Args, c.Env)
}

// command is the container as a process.
func (c container) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Args = append(c.Args[:len(c.Args):len(c.Args)], args...)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = []string{containerEnv + "=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return cmd
}

// run wants the exit code, and returns standard output.
func (c container) run(t *testing.T, want int, args ...string) string {
	t.Helper()
	cmd := c.command(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("%q: exit code %d, want %d\n%s%s", args, got, want, &stdout, &stderr)
	}
	return stdout.String()
}

const testSHA = "0123456789abcdef0123456789abcdef01234567"

// buildImage makes what the Dockerfile makes: it runs the same go build in the same
// shell, and lays out the root directory as the last stage does. There is no Docker.
func buildImage(t *testing.T) container {
	t.Helper()
	need(t, "sh", "go")
	root := t.TempDir()
	bin := filepath.Join(root, "usr/local/bin/atocore")
	vars := map[string]string{"TARGETOS": "linux", "BUILD_VERSION": "v0.0.0-test", "BUILD_SHA": testSHA, "BUILD_TIME": "2026-03-02T12:00:00Z"}
	c := container{Root: root}
	stage, built := 0, false
	for _, in := range dockerfile(t) {
		switch {
		case in.word == "FROM":
			stage++
		case in.word == "RUN" && strings.Contains(in.rest, "go build"):
			cmd := exec.CommandContext(t.Context(), "sh", "-euc", strings.Replace(in.rest, "/out/atocore", bin, 1))
			cmd.Dir = filepath.Join("..", "..")
			cmd.Env = append(os.Environ(), "GOFLAGS=", "TARGETARCH=")
			for k, v := range vars {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", in.rest, err, out)
			}
			built = true
		case in.word == "RUN" && !strings.Contains(in.rest, "go mod"):
			cmd := exec.CommandContext(t.Context(), "sh", "-euc", strings.ReplaceAll(in.rest, "/rootfs", root))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", in.rest, err, out)
			}
		case stage == 2 && in.word == "ENV":
			c.Env = strings.Fields(in.rest)
		case stage == 2 && in.word == "USER":
			if _, err := fmt.Sscanf(in.rest, "%d", &c.UID); err != nil {
				t.Fatal(err)
			}
		case stage == 2 && in.word == "ENTRYPOINT":
			if err := json.Unmarshal([]byte(in.rest), &c.Args); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !built || stage != 2 || len(c.Env) == 0 || len(c.Args) != 1 {
		t.Fatalf("the Dockerfile has not what it should: %+v", c)
	}
	return c
}

func TestImage(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	c := buildImage(t)
	f, err := elf.Open(filepath.Join(c.Root, c.Args[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is not static: it has a %v", p.Type)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("in a container", func(t *testing.T) {
		if os.Geteuid() != 0 {
			if os.Getenv("CI") != "" {
				t.Fatal("run as root")
			}
			t.Skip("needs root")
		}
		testContainer(t, c)
	})
}

// testContainer plays the life of a service: serve, health, snapshot and drill beside
// it, stop, restore, with data and snapshots in bind mounts on a read-only root.
func testContainer(t *testing.T, c container) {
	host := t.TempDir()
	dirs := map[string]string{}
	for _, name := range []string{"data", "backups", "tmp", "cache", "secrets"} {
		dir := filepath.Join(host, name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, c.UID, c.UID)); err != nil {
			t.Fatal(err)
		}
		dirs[name] = dir
		c.Mounts = append(c.Mounts, [2]string{dir, "/" + name})
	}
	// As Docker makes a place for a secret.
	if err := os.Mkdir(filepath.Join(c.Root, "secrets"), 0o755); err != nil {
		t.Fatal(err)
	}
	token := strings.Repeat("secret", 6)
	file := filepath.Join(dirs["secrets"], "token")
	if err := errors.Join(os.WriteFile(file, []byte(token+"\n"), 0o400), os.Chown(file, c.UID, c.UID)); err != nil {
		t.Fatal(err)
	}
	for i, e := range c.Env {
		if strings.HasPrefix(e, "ATOCORE_ADDR=") {
			c.Env[i] = "ATOCORE_ADDR=0.0.0.0:0" // a port that is free here
		}
	}
	before := inodes(t, dirs)

	if out := c.run(t, 0, "version", "--json"); !strings.Contains(out, testSHA) || !strings.Contains(out, "2026-03-02T12:00:00Z") || !strings.Contains(out, "v0.0.0-test") {
		t.Errorf("version %s", out)
	}
	c.run(t, 2, "serve") // beyond this machine, without a token
	c.Env = append(c.Env, "ATOCORE_TOKEN_FILE=/secrets/token", "TZ=Europe/Oslo")

	serve := c.command(t, "serve", "--json", "--jitter", "0", "--snapshot-every", "day 03:30")
	stderr, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	var at struct{ Address string }
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err := errors.Join(err, json.Unmarshal(line, &at)); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(at.Address, "[::]"), ":")
	health := c.run(t, 0, "health", "--json", "--addr", "0.0.0.0:"+port)
	if !strings.Contains(health, `"build_sha":"`+testSHA+`"`) || !strings.Contains(health, `"snapshot"`) {
		t.Errorf("health %s", health)
	}

	log := bufio.NewScanner(stderr)
	for log.Scan() && !strings.Contains(log.Text(), "periodic work is done") {
	}
	// Half past three in Oslo: there are time zones in the image.
	if !regexp.MustCompile(`"next":"[-0-9]+T03:30:00\+0[12]:00"`).MatchString(log.Text()) {
		t.Errorf("a schedule by the clock: %s", log.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	post(t, "http://127.0.0.1:"+port+"/memories", token, `{"type":"knowledge","content":"The boiler is serviced each May."}`)

	// One-shot containers beside it.
	c.run(t, 0, "backup", "create", "--label", "by hand")
	c.run(t, 0, "backup", "drill")
	c.run(t, 5, "backup", "restore", "latest", "--confirm-service-stopped")
	post(t, "http://127.0.0.1:"+port+"/memories", token, `{"type":"knowledge","content":"The landlord is Mr Okafor."}`)

	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve: %v", err)
	}
	if out := c.run(t, 0, "list", "--json"); strings.Count(out, `"content"`) != 2 {
		t.Errorf("before the restore: %s", out)
	}
	c.run(t, 0, "backup", "restore", "latest", "--confirm-service-stopped")
	if out := c.run(t, 0, "list", "--json"); strings.Count(out, `"content"`) != 1 || !strings.Contains(out, "boiler") {
		t.Errorf("after the restore: %s", out)
	}
	c.run(t, 0, "doctor")
	c.run(t, 1, "health", "--addr", "0.0.0.0:"+port)

	for name, was := range before {
		if got := inodes(t, dirs)[name]; got != was {
			t.Errorf("%s is another directory than before", name)
		}
	}
	if left, err := os.ReadDir(dirs["tmp"]); err != nil || len(left) > 0 {
		t.Errorf("left in /tmp: %v, %v", left, err)
	}
	if cached, err := os.ReadDir(dirs["cache"]); err != nil || len(cached) == 0 {
		t.Errorf("the compiled engine is not kept: %v", err)
	}
	for _, name := range []string{"data", "backups"} {
		err := filepath.WalkDir(dirs[name], func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Sys().(*syscall.Stat_t).Uid != uint32(c.UID) {
				t.Errorf("%s belongs to somebody else", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func inodes(t *testing.T, dirs map[string]string) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	for name, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = info.Sys().(*syscall.Stat_t).Ino
	}
	return out
}

func post(t *testing.T, url, token, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %d %s, %v", url, resp.StatusCode, answer, err)
	}
}
