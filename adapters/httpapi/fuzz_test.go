package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

// What of an OpenAPI document is needed to make requests.
type (
	apiDoc struct {
		Paths      map[string]map[string]*apiOperation `json:"paths"`
		Components struct {
			Schemas map[string]*apiSchema `json:"schemas"`
		} `json:"components"`
	}
	apiOperation struct {
		method, path string
		Parameters   []struct {
			Name   string     `json:"name"`
			In     string     `json:"in"`
			Schema *apiSchema `json:"schema"`
		} `json:"parameters"`
		RequestBody *struct {
			Content map[string]struct {
				Schema *apiSchema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]any `json:"content"`
		} `json:"responses"`
		Security []map[string][]string `json:"security"`
	}
	apiSchema struct {
		Ref        string                `json:"$ref"`
		Type       any                   `json:"type"`
		Format     string                `json:"format"`
		Enum       []any                 `json:"enum"`
		Properties map[string]*apiSchema `json:"properties"`
		Required   []string              `json:"required"`
		Items      *apiSchema            `json:"items"`
		Additional json.RawMessage       `json:"additionalProperties"`
		Minimum    *float64              `json:"minimum"`
		Maximum    *float64              `json:"maximum"`
	}
)

func readDoc(t testing.TB, s *service) (apiDoc, []*apiOperation) {
	t.Helper()
	var doc apiDoc
	if err := json.Unmarshal(s.do(t, "GET", "/openapi.json", nil).body, &doc); err != nil {
		t.Fatal(err)
	}
	var list []*apiOperation
	for path, item := range doc.Paths {
		for method, op := range item {
			op.method, op.path = strings.ToUpper(method), path
			list = append(list, op)
		}
	}
	slices.SortFunc(list, func(a, b *apiOperation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return doc, list
}

func operations(t testing.TB, s *service) []*apiOperation {
	_, list := readDoc(t, s)
	return list
}

// A maker makes requests from the document: mostly such as are right, and then some that
// are not.
type maker struct {
	*rand.Rand
	doc apiDoc
	ops []*apiOperation
	ids []string // that have been seen in answers
}

// words are what texts and parameters are made of.
var words = []string{
	"landlord", "Mr Okafor", "12 Mill Lane", "", " ", "\n", "x", "website", "www", "general", "deadline", "latest", "20260409T131321Z", "..", "../../etc/passwd", "%2e%2e",
	"'; DROP TABLE memories; --", `" OR NEAR(`, "\x00", "\u202e", "\u0085", "é", "日本語", "🏳️‍🌈", "\ufffd", "-1", "0", "1e309", "NaN", "true", "null", "{}", "2026-01-01T00:00:00Z",
	"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-45", strings.Repeat("long ", 400), strings.Repeat("ä", 3000), "<private>x</private>", "sk-ant-api03-0123456789",
}

func (m *maker) word() string {
	if len(m.ids) > 0 && m.IntN(3) == 0 {
		return m.ids[m.IntN(len(m.ids))]
	}
	return words[m.IntN(len(words))]
}

// odd is a value of any type.
func (m *maker) odd() any {
	return []any{nil, true, -1, 1.5, 1e300, "", m.word(), []any{}, []any{nil}, map[string]any{}, map[string]any{"a": []any{1}}, json.Number("123456789012345678901234567890")}[m.IntN(12)]
}

func (m *maker) value(s *apiSchema, depth int) any {
	if s == nil || m.IntN(40) == 0 || depth > 5 {
		return m.odd()
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return m.value(m.doc.Components.Schemas[name], depth+1)
	}
	if len(s.Enum) > 0 && m.IntN(12) > 0 {
		return s.Enum[m.IntN(len(s.Enum))]
	}
	kind, _ := s.Type.(string)
	if kinds, ok := s.Type.([]any); ok {
		kind, _ = kinds[m.IntN(len(kinds))].(string)
	}
	switch kind {
	case "object":
		obj := map[string]any{}
		for name, p := range s.Properties {
			if slices.Contains(s.Required, name) && m.IntN(15) > 0 || m.IntN(4) == 0 {
				obj[name] = m.value(p, depth+1)
			}
		}
		if len(s.Properties) == 0 {
			for range m.IntN(3) {
				obj[m.word()] = m.word()
			}
		} else if m.IntN(25) == 0 {
			obj[m.word()] = m.odd()
		}
		return obj
	case "array":
		list := []any{}
		for range m.IntN(3) {
			list = append(list, m.value(s.Items, depth+1))
		}
		return list
	case "integer":
		return []int64{0, 1, 2, 10, 300, -1, 1 << 40}[m.IntN(7)]
	case "number":
		return []float64{0.5, 1, 0.001, 0, -1, 2, 1e300}[m.IntN(7)]
	case "boolean":
		return m.IntN(2) == 0
	case "null":
		return nil
	}
	if s.Format == "date-time" {
		return []string{"2026-01-01T00:00:00Z", "2026-03-01T12:00:00+02:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "yesterday", ""}[m.IntN(6)]
	}
	return m.word()
}

// request makes a request to some operation.
func (m *maker) request() (*http.Request, *apiOperation) {
	op := m.ops[m.IntN(len(m.ops))]
	path, query := op.path, url.Values{}
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			w := m.word()
			if w == "" || m.IntN(3) == 0 && len(m.ids) > 0 {
				w = "website"
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(w))
		case "query":
			if p.Name == "follow" || m.IntN(3) > 0 {
				continue // a stream that is followed does not end
			}
			for range 1 + m.IntN(2) {
				query.Add(p.Name, fmt.Sprint(m.value(p.Schema, 4)))
			}
		}
	}
	if m.IntN(30) == 0 {
		query.Add("unknown", m.word())
	}
	var body []byte
	if op.RequestBody != nil && m.IntN(20) > 0 {
		for _, c := range op.RequestBody.Content {
			text, err := json.Marshal(m.value(c.Schema, 0))
			if err != nil {
				panic(err)
			}
			body = m.spoil(text)
		}
	}
	r := httptest.NewRequest(op.method, "http://localhost/", bytes.NewReader(body))
	r.URL.Path, r.URL.RawPath = "", ""
	u, err := url.Parse("http://localhost" + path + "?" + query.Encode())
	if err != nil {
		panic(err)
	}
	if m.IntN(40) == 0 {
		u.RawQuery = "a=%ff&%zz;b"
	}
	r.URL = u
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	switch m.IntN(40) {
	case 0:
		r.Header.Set("Content-Type", m.word())
	case 1:
		r.Header.Set("Authorization", "Bearer "+m.word())
	case 2:
		r.Header.Set("Origin", "http://"+m.word())
	case 3:
		r.Host = m.word()
	case 4:
		r.Header.Set("Accept", "text/html")
	case 5:
		r.Header.Set("X-Request-Id", m.word())
	}
	return r, op
}

// spoil breaks a body now and then.
func (m *maker) spoil(text []byte) []byte {
	if len(text) == 0 {
		return text
	}
	switch m.IntN(25) {
	case 0:
		return text[:m.IntN(len(text))]
	case 1:
		text[m.IntN(len(text))] = byte(m.IntN(256))
	case 2:
		return append(text, text...)
	case 3:
		return bytes.Repeat([]byte("["), 20000)
	case 4:
		return []byte(`{"content":"\ud800"}`)
	}
	return text
}

// learn remembers IDs from an answer, for requests that find something.
func (m *maker) learn(body []byte) {
	for part := range bytes.SplitSeq(body, []byte(`"`)) {
		if len(part) == 26 && part[0] == '0' && len(m.ids) < 200 {
			m.ids = append(m.ids, string(part))
		}
	}
}

// try makes n requests and holds each answer to what the document declares.
func try(t *testing.T, h http.Handler, m *maker, n int) {
	seen := map[int]int{}
	for range n {
		r, op := m.request()
		sent, _ := httpText(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		seen[w.Code]++
		// An odd word in a path may make it one that nobody serves.
		elsewhere := w.Code == 405 || w.Code == 301 || w.Code == 307 || w.Code == 404 && strings.Contains(w.Body.String(), `"detail":"path `)
		declared := op.Responses[fmt.Sprint(w.Code)].Content != nil || elsewhere
		if !declared || w.Code >= 500 {
			t.Fatalf("%s\nanswered with %d, which %s %s does not declare, or which is a fault: %s", sent, w.Code, op.method, op.path, w.Body)
		}
		if w.Code >= 400 {
			var p httpapi.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Code == "" || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s\nanswered with %d and no problem: %s", sent, w.Code, w.Body)
			}
		} else {
			m.learn(w.Body.Bytes())
		}
	}
	if n >= 500 && (seen[200] < n/10 || seen[422] == 0 || seen[404] == 0) {
		t.Errorf("the requests are of too few kinds: %v", seen)
	}
	t.Logf("%d requests: %v", n, seen)
}

func httpText(r *http.Request) (string, error) {
	return fmt.Sprintf("%s %s %v", r.Method, r.URL, r.Header), nil
}

// fuzzed is a service to be fuzzed; its snapshots are few, so that drills are quick.
func fuzzed(t testing.TB) (http.Handler, *maker) {
	store := openStore(t, nil)
	s := serve(t, store, &httpapi.Options{Token: token})
	doc, ops := readDoc(t, s)
	m := &maker{doc: doc, ops: ops}
	if _, err := store.AddProject(t.Context(), atocore.Project{Name: "website", Aliases: []string{"www"}}); err != nil {
		t.Fatal(err)
	}
	return httpapi.NewHandler(store, &httpapi.Options{Token: token, Timeout: time.Minute}), m
}

// TestGenerated makes requests from the document.
func TestGenerated(t *testing.T) {
	h, m := fuzzed(t)
	m.Rand = rand.New(rand.NewPCG(1, 2))
	try(t, h, m, *requests)
}

// FuzzRoutes makes requests from the document, by a seed and with a body of the fuzzer's.
func FuzzRoutes(f *testing.F) {
	f.Add(uint64(1), []byte(`{"type":"knowledge","content":"x"}`))
	f.Add(uint64(2), []byte(`{"query":"x","limit":1e3}`))
	f.Add(uint64(3), []byte("{\"prompt\":\"\\u0000\\ud83d\"}"))
	h, m := fuzzed(f)
	f.Fuzz(func(t *testing.T, seed uint64, body []byte) {
		m.Rand = rand.New(rand.NewPCG(seed, 0))
		try(t, h, m, 3)
		r, op := m.request()
		r.Body, r.ContentLength = http.NoBody, 0
		if op.RequestBody != nil {
			r = r.Clone(context.Background())
			r = cloneWithBody(r, body)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s %s with %q: %d %s", r.Method, r.URL, body, w.Code, w.Body)
		}
	})
}

func cloneWithBody(r *http.Request, body []byte) *http.Request {
	n := httptest.NewRequest(r.Method, "http://localhost/", bytes.NewReader(body))
	n.URL, n.Header, n.Host = r.URL, r.Header, r.Host
	return n
}
