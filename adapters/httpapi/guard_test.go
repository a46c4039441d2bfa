package httpapi_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

func TestToken(t *testing.T) {
	store := openStore(t, nil)
	s := serve(t, store, &httpapi.Options{Token: token, Metrics: true})
	for _, path := range []string{"/memories", "/admin/backup", "/metrics", "/nothing", "//admin/backup", "/%61dmin/backup", "/health/../admin/backup"} {
		for _, auth := range []string{"", "Bearer wrong-horse-battery!", "Bearer", "Bearer ", token, "Basic " + token, "Bearer " + token + "x", "Bearer " + token[:20]} {
			a := s.do(t, "GET", path, nil, "Authorization", auth)
			problem(t, a, 401, "unauthorized", path+" with "+auth)
			if a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", path)
			}
		}
	}
	for _, path := range []string{"/health", "/openapi.json", "/openapi.yaml"} {
		if a := s.do(t, "GET", path, nil, "Authorization", ""); a.status != 200 {
			t.Errorf("%s without the token: %d", path, a.status)
		}
	}
	for _, auth := range []string{"Bearer " + token, "bearer " + token, "BEARER  " + token} {
		if a := s.do(t, "GET", "/admin/backup", nil, "Authorization", auth); a.status != 200 {
			t.Errorf("with %q: %d", auth, a.status)
		}
	}
	if log := s.log.String(); strings.Contains(log, token) || strings.Contains(log, "wrong-horse") {
		t.Error("a token is in the log")
	}

	bare := serve(t, store, &httpapi.Options{})
	if a := bare.do(t, "GET", "/memories", nil, "Authorization", ""); a.status != 200 {
		t.Errorf("without any token: %d", a.status)
	}
	for _, path := range []string{"GET /admin/backup", "POST /admin/backup", "GET /admin/backup/latest/validate", "POST /admin/backup/prune", "POST /admin/backup/drill", "GET /admin/backup/drills", "GET /%61dmin/backup"} {
		method, path, _ := strings.Cut(path, " ")
		for _, auth := range []string{"", "Bearer ", "Bearer " + token} {
			var body any
			if strings.HasSuffix(path, "prune") {
				body = `{"keep_last":1}`
			}
			p := bare.fails(t, 403, "no_token", method, path, body, "Authorization", auth)
			if !strings.Contains(p.Hint, "ATOCORE_TOKEN") {
				t.Errorf("%s: %+v", path, p)
			}
		}
	}
	open := serve(t, store, &httpapi.Options{Unguarded: true})
	if a := open.do(t, "GET", "/admin/backup", nil, "Authorization", "", "Host", "memory.example", "Origin", "https://app.example"); a.status != 200 {
		t.Errorf("unguarded: %d", a.status)
	}
	defer func() {
		if recover() == nil {
			t.Error("a token of three characters is accepted")
		}
	}()
	httpapi.NewHandler(store, &httpapi.Options{Token: "abc"})
}

func TestHostAndOrigin(t *testing.T) {
	s := serve(t, openStore(t, nil), &httpapi.Options{Token: token, AllowHosts: []string{"Memory.Example"}})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for host, ok := range map[string]bool{
		"localhost": true, "LOCALHOST:" + port: true, "localhost.": true, "127.0.0.1:" + port: true, "127.8.9.1": true, "[::1]:80": true, "[::1]": true,
		"memory.example": true, "memory.example:8443": true, "MEMORY.EXAMPLE.": true,
		"evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "192.168.1.5": false, "0.0.0.0": false, "memory.example.evil": false,
	} {
		for _, path := range []string{"/memories", "/health"} {
			a := s.do(t, "GET", path, nil, "Host", host)
			if !ok {
				problem(t, a, 421, "host", host+path)
			} else if a.status != 200 {
				t.Errorf("host %s%s: %d", host, path, a.status)
			}
		}
	}
	const local = "localhost:8766"
	for _, test := range []struct {
		header []string
		ok     bool
	}{
		{[]string{"Origin", "http://" + local}, true},
		{[]string{"Origin", "http://" + local, "Sec-Fetch-Site", "same-origin"}, true},
		{[]string{"Sec-Fetch-Site", "none"}, true},
		{[]string{"Origin", "http://localhost:3000"}, false},
		{[]string{"Origin", "https://evil.example"}, false},
		{[]string{"Origin", "null"}, false},
		{[]string{"Origin", "file://"}, false},
		{[]string{"Origin", "chrome-extension://abcdef"}, false},
		{[]string{"Origin", "http://" + local + ".evil.example"}, false},
		{[]string{"Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"Sec-Fetch-Site", "same-site"}, false},
		{[]string{"Origin", "http://" + local, "Sec-Fetch-Site", "cross-site"}, false},
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			var body any
			if method == "POST" {
				body = `{"type":"knowledge","content":"x"}`
			}
			a := s.do(t, method, "/memories", body, append([]string{"Host", local}, test.header...)...)
			switch {
			case !test.ok:
				problem(t, a, 403, "foreign_origin", method+" "+strings.Join(test.header, " "))
			case method == "OPTIONS":
				problem(t, a, 405, "method_not_allowed", "OPTIONS")
			case a.status != 200:
				t.Errorf("%s with %q: %d", method, test.header, a.status)
			}
			if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("allowed for pages of %q", got)
			}
		}
	}
}

// TestBeyondLoopback calls a handler without a token at an address that is not of the
// loopback interface, whatever the Host header says.
func TestBeyondLoopback(t *testing.T) {
	store := openStore(t, nil)
	h := httpapi.NewHandler(store, nil)
	for addr, status := range map[string]int{"127.0.0.1:80": 200, "192.168.1.5:80": 403, "[2001:db8::1]:80": 403} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "http://localhost/memories", nil)
		r = r.WithContext(contextWith(t, http.LocalAddrContextKey, tcp))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("at %s: %d, want %d", addr, w.Code, status)
		}
	}
	// With one, the address that the client connected to is a host as well.
	h = httpapi.NewHandler(store, &httpapi.Options{Token: token})
	tcp, _ := net.ResolveTCPAddr("tcp", "192.168.1.5:8766")
	for host, status := range map[string]int{"192.168.1.5:8766": 200, "192.168.1.6:8766": 421, "evil.example": 421} {
		r := httptest.NewRequest("GET", "http://"+host+"/memories", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r = r.WithContext(contextWith(t, http.LocalAddrContextKey, tcp))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("as %s: %d, want %d", host, w.Code, status)
		}
	}
}

func TestPrefix(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/memory/", http.StripPrefix("/memory", httpapi.NewHandler(openStore(t, nil), &httpapi.Options{Token: token})))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	s := &service{Server: srv}
	m := get[atocore.Memory](t, s, "POST", "/memory/memories", `{"type":"knowledge","content":"x"}`)
	get[struct {
		Kind string `json:"kind"`
		atocore.Memory
	}](t, s, "GET", "/memory/memories/"+m.ID, nil)
	if a := s.do(t, "GET", "/memory/health", nil, "Authorization", ""); a.status != 200 {
		t.Errorf("health: %d", a.status)
	}
	s.fails(t, 401, "unauthorized", "GET", "/memory/memories", nil, "Authorization", "")
}

func TestMount(t *testing.T) {
	s := serve(t, openStore(t, nil), &httpapi.Options{Token: token, Metrics: true, Mount: map[string]http.Handler{
		"/mcp": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("mounted " + r.Method))
		}),
	}})
	if a := s.do(t, "POST", "/mcp", `{}`); string(a.body) != "mounted POST" {
		t.Errorf("mounted: %d %s", a.status, a.body)
	}
	s.fails(t, 401, "unauthorized", "POST", "/mcp", `{}`, "Authorization", "")
	s.fails(t, 421, "host", "POST", "/mcp", `{}`, "Host", "evil.example")
	s.fails(t, 403, "foreign_origin", "POST", "/mcp", `{}`, "Origin", "http://evil.example")
	if a := s.do(t, "GET", "/metrics", nil); !strings.Contains(string(a.body), `atocore_http_requests_total{method="POST",route="/mcp",status="200"} 1`) {
		t.Errorf("metrics: %s", a.body)
	}

	guarded := httptest.NewServer(httpapi.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), &httpapi.Options{Token: token}))
	defer guarded.Close()
	g := &service{Server: guarded}
	g.fails(t, 401, "unauthorized", "GET", "/", nil, "Authorization", "")
	if a := g.do(t, "GET", "/", nil); a.status != 200 {
		t.Errorf("guarded: %d", a.status)
	}
}
