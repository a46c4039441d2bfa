package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/adapters/httpapi"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// TestOpenAPI holds docs/openapi.json against the document that is served.
func TestOpenAPI(t *testing.T) {
	s := newService(t)
	a := s.do(t, "GET", "/openapi.json", nil, "Authorization", "")
	if a.status != 200 || a.header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("GET /openapi.json: %d %s", a.status, a.header.Get("Content-Type"))
	}
	var got bytes.Buffer
	if err := json.Indent(&got, a.body, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	name := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got.String()); diff != "" {
		t.Errorf("docs/openapi.json is not what is served: go test ./adapters/httpapi -run TestOpenAPI -update (-page +served):\n%s", diff)
	}
	y := s.do(t, "GET", "/openapi.yaml", nil, "Authorization", "")
	if y.status != 200 || !bytes.Contains(y.body, []byte("openapi: 3.1.0")) {
		t.Errorf("GET /openapi.yaml: %d %.100s", y.status, y.body)
	}
	if bytes.Contains(a.body, []byte("ErrorModel")) {
		t.Error("the document has errors in a form that is not served")
	}
}

// TestRoutes holds the document to have every route, each with its problems.
func TestRoutes(t *testing.T) {
	want := []string{
		"DELETE /documents/{id}", "DELETE /memories/{id}", "DELETE /projects/{name}/state",
		"GET /admin/backup", "GET /admin/backup/drills", "GET /admin/backup/{stamp}/validate", "GET /candidates",
		"GET /documents", "GET /documents/{id}", "GET /documents/{id}/chunks", "GET /health", "GET /interactions", "GET /journal",
		"GET /memories", "GET /memories/{id}", "GET /memories/{id}/history", "GET /projects", "GET /projects/{name}", "GET /projects/{name}/state",
		"PATCH /memories/{id}",
		"POST /admin/backup", "POST /admin/backup/drill", "POST /admin/backup/prune", "POST /candidates/{id}/accept", "POST /candidates/{id}/reject",
		"POST /context", "POST /documents", "POST /interactions", "POST /memories", "POST /memories/{id}/invalidate", "POST /memories/{id}/promote",
		"POST /memories/{id}/reinforce", "POST /memories/{id}/supersede", "POST /projects", "POST /search",
		"PUT /projects/{name}/state",
	}
	var got []string
	for _, op := range operations(t, newService(t)) {
		got = append(got, op.method+" "+op.path)
		for _, status := range []string{"200", "401", "403", "421", "500", "503"} {
			if op.Responses[status].Content == nil {
				t.Errorf("%s %s does not declare %s", op.method, op.path, status)
			}
		}
		if admin := strings.HasPrefix(op.path, "/admin"); admin != (len(op.Security) == 1) {
			t.Errorf("%s %s: security %v", op.method, op.path, op.Security)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +declared):\n%s", diff)
	}
}

// TestCodesDocumented holds the table of errors in docs/http.md against the codes.
func TestCodesDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "http.md"))
	if err != nil {
		t.Fatal(err)
	}
	for code, status := range httpapi.Codes() {
		if code == "canceled" {
			continue // nobody is there to read it
		}
		if row := "| " + jsonText(status) + " | `" + code + "` |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/http.md has no row %q", row)
		}
	}
}
