package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/atocore/atocore/adapters/httpapi"
)

// TestServePeriodic has a service do every job, and asks it how that went.
func TestServePeriodic(t *testing.T) {
	data := t.TempDir()
	if exit := run(t.Context(), data, nil, io.Discard, io.Discard, "add", "knowledge", "The boiler is serviced each May."); exit != 0 {
		t.Fatal(exit)
	}
	// Not below t.TempDir, whose name may be too long for a socket.
	dir, err := os.MkdirTemp("", "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	health := func(want int, args ...string) (h httpapi.Health, said string) {
		t.Helper()
		var out, stderr bytes.Buffer
		if exit := run(t.Context(), data, nil, &out, &stderr, append([]string{"health"}, args...)...); exit != want {
			t.Fatalf("health: exit code %d, want %d\n%s%s", exit, want, &out, &stderr)
		}
		_ = json.Unmarshal(out.Bytes(), &h) // where it is JSON
		return h, out.String() + stderr.String()
	}
	if _, said := health(1, "--socket", socket); !strings.Contains(said, socket) {
		t.Errorf("health of nothing: %s", said)
	}

	ctx, cancel := context.WithCancel(t.Context())
	log, stderr := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, data, nil, io.Discard, stderr, "serve", "--json", "--socket", socket, "--jitter", "0",
			"--snapshot-every", "1h", "--validate-every", "day 03:30", "--prune-every", "sunday 04:50", "--keep-last", "2", "--drill-every", "7d", "--checkpoint-every", "5m")
		stderr.Close()
	}()
	done := 0
	lines := bufio.NewScanner(log)
	for done < 5 && lines.Scan() {
		if strings.Contains(lines.Text(), `"periodic work is done"`) {
			done++
		}
		if strings.Contains(lines.Text(), `"periodic work has failed"`) || strings.Contains(lines.Text(), "nothing for periodic work") {
			t.Error(lines.Text())
			cancel() // the next is due in an hour
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()
	if done < 5 {
		t.Fatalf("%d jobs were done, and serve ended with %d", done, <-exit)
	}
	h, said := health(0, "--socket", socket, "--json")
	if h.Status != "ok" || len(h.Jobs) != 5 || h.LastSnapshot == nil || h.LastDrill == nil || !h.LastDrill.OK {
		t.Errorf("health: %s", said)
	}
	for _, j := range h.Jobs {
		if j.OK == nil || !*j.OK || j.LastOK == nil || j.Next == nil || j.Runs != 1 || j.Result == "" || j.Schedule == "" {
			t.Errorf("job %+v", j)
		}
	}
	if _, said := health(0, "--socket", socket); !strings.Contains(said, "restorable in") || !strings.Contains(said, "sunday 04:50") {
		t.Errorf("health says:\n%s", said)
	}
	cancel()
	if got := <-exit; got != 0 {
		t.Errorf("serve ended with %d", got)
	}
	if exit := run(t.Context(), data, nil, io.Discard, io.Discard, "doctor"); exit != 0 {
		t.Errorf("doctor ended with %d", exit)
	}
}

// TestHealthLines has jobs in every state, and something that could not be found out.
func TestHealthLines(t *testing.T) {
	const doc = `{"status":"ok","version":"v1","build_sha":"abc","uptime_s":61,"notes":["listing snapshots failed"],"jobs":[
		{"name":"checkpoint","schedule":"5m","ok":null},
		{"name":"snapshot","schedule":"1h","running":true,"last_run":"2026-03-01T12:00:00Z","ok":true,"result":"20260301T120000Z"},
		{"name":"validate","schedule":"1d","last_run":"2026-03-01T12:00:00Z","ok":false,"error":"2 findings: hash","result":"2 findings: hash"},
		{"name":"drill","schedule":"7d","ok":false,"error":"was interrupted"}]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, doc) }))
	defer srv.Close()
	var out bytes.Buffer
	if exit := run(t.Context(), t.TempDir(), nil, &out, io.Discard, "health", "--addr", srv.Listener.Addr().String()); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	const want = `status        ok
version       v1 abc
up            1m1s
snapshot      none
drill         none
checkpoint    5m; not run yet
snapshot      1h; 2026-03-01 12:00:00Z, 20260301T120000Z; running now
validate      1d; 2026-03-01 12:00:00Z, failed: 2 findings: hash
drill         7d; failed: was interrupted
note          listing snapshots failed
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
