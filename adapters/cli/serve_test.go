package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/cli"
)

const serviceToken = "correct-horse-battery"

// A service is atocore serve, in this process.
type service struct {
	url    string // empty for a socket
	data   string
	doc    map[string]any
	client *http.Client
	stderr *lockedBuffer
	stop   func() int // interrupts it, and returns its exit code
}

// lockedBuffer is a log that grows.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startServe starts a service and waits until it says where it is.
func startServe(t *testing.T, data, token string, args ...string) *service {
	t.Helper()
	env := homes()
	env["ATOCORE_DATA"], env["ATOCORE_TOKEN"] = data, token
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	s := &service{data: data, stderr: &lockedBuffer{}, client: &http.Client{Transport: &http.Transport{}}}
	done := make(chan int, 1)
	go func() {
		exit := cli.Run(ctx, append([]string{"serve", "--json"}, args...), nil, w, s.stderr, func(key string) string { return env[key] })
		w.Close()
		done <- exit
	}()
	stop := sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	s.stop = stop
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		if exit := stop(); exit != 0 {
			t.Errorf("serve exits with %d: %s", exit, s.stderr)
		}
	})
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		t.Fatalf("serve says nothing: %v: exit %d: %s", err, stop(), s.stderr)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := json.Unmarshal(line, &s.doc); err != nil {
		t.Fatal(err)
	}
	s.url, _ = s.doc["url"].(string)
	return s
}

// do sends a request, and returns the status and the answer.
func (s *service) do(t *testing.T, method, path, body string) (int, []byte) {
	t.Helper()
	status, answer, err := s.try(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

func (s *service) try(method, path, body string) (int, []byte, error) {
	url := s.url
	if url == "" {
		url = "http://localhost"
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url+path, r)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+serviceToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

func TestServe(t *testing.T) {
	data := filepath.Join(t.TempDir(), "store")
	s := startServe(t, data, serviceToken, "--addr", "127.0.0.1:0", "--metrics")
	if s.doc["admin"] != true || !strings.HasPrefix(s.url, "http://127.0.0.1:") {
		t.Errorf("announced: %v", s.doc)
	}
	status, body := s.do(t, "POST", "/memories", `{"type":"knowledge","content":"The ferry leaves on Tuesdays."}`)
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	// The command line uses the store meanwhile.
	var stdout strings.Builder
	if exit := run(t.Context(), data, nil, &stdout, io.Discard, "list", "--json"); exit != 0 || !strings.Contains(stdout.String(), "ferry") {
		t.Errorf("list: exit code %d: %s", exit, stdout.String())
	}
	if status, body := s.do(t, "POST", "/admin/backup/drill", ""); status != 200 || !strings.Contains(string(body), `"ok":true`) {
		t.Errorf("drill: %d %s", status, body)
	}
	if status, body := s.do(t, "GET", "/metrics", ""); status != 200 || !strings.Contains(string(body), "atocore_last_drill_ok 1") {
		t.Errorf("metrics: %d %s", status, body)
	}
	var version, health map[string]any
	stdout.Reset()
	run(t.Context(), data, nil, &stdout, io.Discard, "version", "--json")
	if err := json.Unmarshal([]byte(stdout.String()), &version); err != nil {
		t.Fatal(err)
	}
	_, body = s.do(t, "GET", "/health", "")
	if err := json.Unmarshal(body, &health); err != nil {
		t.Fatal(err)
	}
	if health["version"] != version["version"] || health["status"] != "ok" {
		t.Errorf("health: %s", body)
	}
	// A stream that is followed ends with the service.
	req, _ := http.NewRequest("GET", s.url+"/journal?follow=true", nil)
	req.Header.Set("Authorization", "Bearer "+serviceToken)
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if exit := s.stop(); exit != 0 {
		t.Errorf("exit code %d: %s", exit, s.stderr)
	}
	if rest, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(rest), `"op":"remember"`) {
		t.Errorf("the stream: %v: %s", err, rest)
	}
	if _, _, err := s.try("GET", "/health", ""); err == nil {
		t.Error("somebody answers after the end")
	}
	for line := range strings.Lines(s.stderr.String()) {
		if strings.HasPrefix(line, "{") && !json.Valid([]byte(line)) {
			t.Errorf("log: %s", line)
		}
	}
}

// TestServeScratch has drills restore where the service was told to, also those that
// clients ask for.
func TestServeScratch(t *testing.T) {
	scratch := filepath.Join(t.TempDir(), "scratch")
	s := startServe(t, filepath.Join(t.TempDir(), "store"), serviceToken, "--addr", "127.0.0.1:0", "--drill-scratch", scratch)
	s.do(t, "POST", "/memories", `{"type":"knowledge","content":"The ferry leaves on Tuesdays."}`)
	if status, body := s.do(t, "POST", "/admin/backup/drill", ""); status == 200 {
		t.Errorf("a drill in a directory that is not there: %s", body)
	}
	if err := os.Mkdir(scratch, 0o700); err != nil {
		t.Fatal(err)
	}
	if status, body := s.do(t, "POST", "/admin/backup/drill", ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// TestServeEnds interrupts a service under load. What it answered is in the store, and
// whatever reached the store was answered.
func TestServeEnds(t *testing.T) {
	data := filepath.Join(t.TempDir(), "store")
	s := startServe(t, data, "", "--addr", "127.0.0.1:0")
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var answers atomic.Int64
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			// Half of them keep their connections, half make new ones.
			own := &service{url: s.url, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: n%2 == 0}}}
			defer own.client.CloseIdleConnections()
			for i := 0; ; i++ {
				status, body, err := own.try("POST", "/memories", fmt.Sprintf(`{"type":"knowledge","content":"Client %d says %d."}`, n, i))
				if err != nil {
					return // the service has ended; what it had accepted is counted below
				}
				var m atocore.Memory
				if err := json.Unmarshal(body, &m); status != 200 || err != nil {
					t.Errorf("client %d: %d %s", n, status, body)
					return
				}
				mu.Lock()
				acknowledged[m.ID] = true
				mu.Unlock()
				if answers.Add(1) == 100 {
					close(enough)
				}
			}
		})
	}
	<-enough
	if exit := s.stop(); exit != 0 {
		t.Errorf("exit code %d: %s", exit, s.stderr)
	}
	wg.Wait()
	_, _, cache := cli.Directories(runtime.GOOS, func(key string) string { return homes()[key] })
	store, err := atocore.Open(t.Context(), data, &atocore.Options{CompileCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	held := 0
	for m, err := range store.Memories(t.Context(), atocore.MemoryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		held++
		if !acknowledged[m.ID] {
			t.Errorf("memory %s was stored, and its client has no answer", m.ID)
		}
	}
	if held != len(acknowledged) {
		t.Errorf("%d memories are there, %d were acknowledged", held, len(acknowledged))
	}
	if logged := strings.Count(s.stderr.String(), `"msg":"request"`); logged != len(acknowledged) {
		t.Errorf("%d requests were begun, %d answered", logged, len(acknowledged))
	}
	report, err := store.Check(t.Context())
	if err != nil || !report.OK {
		t.Errorf("check: %v %+v", err, report)
	}
}

// TestServeCutOff has a request that does not end, and a second signal, for a process.
func TestServeCutOff(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no interrupting a process on Windows")
	}
	start := func(args ...string) (*exec.Cmd, net.Conn, *lockedBuffer) {
		t.Helper()
		cmd := exec.Command("atocore", append([]string{"serve", "--json", "--addr", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "store")}, args...)...)
		for key, value := range homes() {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
		stderr := &lockedBuffer{}
		cmd.Stderr = stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		var doc struct{ Address string }
		if err := json.NewDecoder(out).Decode(&doc); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		conn, err := net.Dial("tcp", doc.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		// "Expect" makes the server say when it waits for the body, which does not come.
		_, err = io.WriteString(conn, "POST /memories HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, "100") {
			t.Fatalf("the server says %q, %v", line, err)
		}
		return cmd, conn, stderr
	}
	cmd, _, stderr := start("--shutdown-timeout", "50ms")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || !strings.Contains(stderr.String(), "cut off") {
		t.Errorf("a request that does not end: %v: %s", err, stderr)
	}

	cmd, _, stderr = start()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for waiting := true; waiting; {
		select {
		case err = <-ended:
			waiting = false
		case <-again.C: // one that comes before the first has been dealt with counts as the first
			_ = cmd.Process.Signal(os.Interrupt) // or it has ended
		}
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != -1 {
		t.Errorf("a second signal: %v: %s", err, stderr)
	}
}

// TestServeRefuses has what a service does not begin with.
func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tests := []struct {
		name  string
		token string
		args  []string
		exit  int
		says  string
	}{
		{"all addresses, no token", "", []string{"--addr", "0.0.0.0:0"}, 2, "no token"},
		{"no host, no token", "", []string{"--addr", ":0"}, 2, "no token"},
		{"all addresses of IPv6, no token", "", []string{"--addr", "[::]:0"}, 2, "no token"},
		{"a port in use", "", []string{"--addr", l.Addr().String()}, 1, "is in use"},
		{"no port", "", []string{"--addr", "127.0.0.1"}, 2, "HOST:PORT"},
		{"a short token", "secret", []string{"--addr", "127.0.0.1:0"}, 2, "fewer than 16"},
		{"a token of two words", "correct horse battery", []string{"--addr", "127.0.0.1:0"}, 2, "blanks"},
		{"no such token file", "", []string{"--token-file", filepath.Join(dir, "none")}, 1, "none"},
		{"an empty token file", "", []string{"--token-file", write("empty", "\n", 0o600)}, 2, "is empty"},
		{"a short token in a file", "", []string{"--token-file", write("short", "abc\n", 0o600)}, 2, "fewer than 16"},
		{"a directory for a token", "", []string{"--token-file", dir}, 2, "is a directory"},
		{"no time to end", "", []string{"--shutdown-timeout", "0s"}, 2, "not above zero"},
		{"another file for a socket", "", []string{"--socket", write("file", "", 0o600)}, 2, "is no socket"},
	}
	if runtime.GOOS != "windows" {
		tests = append(tests, []struct {
			name  string
			token string
			args  []string
			exit  int
			says  string
		}{
			{"a token file that all can read", "", []string{"--token-file", write("open", serviceToken, 0o644)}, 2, "chmod 600"},
			{"a token file that the group can read", "", []string{"--token-file", write("group", serviceToken, 0o640)}, 2, "chmod 600"},
		}...)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := homes()
			env["ATOCORE_DATA"], env["ATOCORE_TOKEN"] = filepath.Join(dir, "store"), test.token
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // one that begins after all ends
			defer cancel()
			var stdout, stderr strings.Builder
			exit := cli.Run(ctx, append([]string{"serve"}, test.args...), nil, &stdout, &stderr, func(key string) string { return env[key] })
			if exit != test.exit || !strings.Contains(stderr.String(), test.says) || stdout.Len() > 0 {
				t.Errorf("exit code %d, want %d and %q: %s%s", exit, test.exit, test.says, stdout.String(), stderr.String())
			}
			if strings.Contains(stderr.String(), "horse") || strings.Contains(stderr.String(), "secret") {
				t.Errorf("says the token: %s", stderr.String())
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Errorf("the file in a socket's place: %v", err)
	}
	// A store that does not open is said so, and nothing is served.
	write("store-file", "x", 0o600)
	var stderr strings.Builder
	if exit := run(t.Context(), filepath.Join(dir, "store-file"), nil, io.Discard, &stderr, "serve", "--addr", "127.0.0.1:0"); exit != 1 || !strings.Contains(stderr.String(), "is a file") {
		t.Errorf("a file for a store: exit code %d: %s", exit, stderr.String())
	}
}

func TestServeTokenFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(serviceToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServe(t, filepath.Join(t.TempDir(), "store"), "another-token-than-that", "--addr", "127.0.0.1:0", "--token-file", name)
	if status, body := s.do(t, "GET", "/admin/backup", ""); status != 200 {
		t.Errorf("with the file's token: %d %s", status, body)
	}
	if res, err := http.Get(s.url + "/memories"); err != nil || res.StatusCode != 401 {
		t.Errorf("without a token: %v %v", res, err)
	} else {
		res.Body.Close()
	}
	if strings.Contains(s.stderr.String(), serviceToken) {
		t.Error("the token is in the log")
	}
}

func TestServeSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of sockets are Unix's")
	}
	dir, err := os.MkdirTemp("", "s") // a socket's path must not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
	overSocket := func(s *service) {
		s.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}
	}
	// What a killed service leaves.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	data := filepath.Join(dir, "store")
	s := startServe(t, data, "", "--socket", path)
	overSocket(s)
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Fatalf("the socket: %v %v", info, err)
	}
	if s.doc["network"] != "unix" || s.doc["address"] != path {
		t.Errorf("announced: %v", s.doc)
	}
	if status, body := s.do(t, "POST", "/memories", `{"type":"knowledge","content":"x"}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.do(t, "GET", "/admin/backup", ""); status != 403 {
		t.Errorf("admin without a token: %d %s", status, body)
	}
	var stderr strings.Builder
	if exit := run(t.Context(), data, nil, io.Discard, &stderr, "serve", "--socket", path); exit != 1 || !strings.Contains(stderr.String(), "listens at") {
		t.Errorf("a second one: exit code %d: %s", exit, stderr.String())
	}
	if status, _ := s.do(t, "GET", "/health", ""); status != 200 {
		t.Error("a second one has taken the socket from the first")
	}
	if exit := s.stop(); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left: %v %v", entries, err)
	}
}
