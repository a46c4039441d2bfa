package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atocore/atocore/adapters/cli"
	"github.com/atocore/atocore/adapters/httpapi"
)

// TestSameDocuments does everything twice, on a store each: by commands and over HTTP.
// The documents have to be the same, but for what differs from store to store.
func TestSameDocuments(t *testing.T) {
	commands := filepath.Join(t.TempDir(), "store")
	s := startServe(t, filepath.Join(t.TempDir(), "store"), serviceToken, "--addr", "127.0.0.1:0")
	ids := [2]map[string]string{{}, {}} // by the steps' names
	steps := []struct {
		name    string
		command string // words apart by |; {name} is the ID of that step's record
		request string // method, path, and perhaps a body
	}{
		{"", "project|add|website|--alias|www|--description|The site.", `POST /projects {"name":"website","aliases":["www"],"description":"The site."}`},
		{"", "project|list", "GET /projects"},
		{"a", "add|preference|Answers in British English.|--project|www|--tag|style|--confidence|0.5|--meta|k=v|--speaker|Ada|--session|s1|--client|chat|--source|notes|--valid-from|2026-01-01",
			`POST /memories {"type":"preference","content":"Answers in British English.","project":"www","tags":["style"],"confidence":0.5,"metadata":{"k":"v"},"provenance":{"speaker":"Ada","session":"s1","client":"chat","source":"notes"},"valid_from":"2026-01-01T00:00:00Z"}`},
		{"b", "add|knowledge|The landlord is Mr Okafor.\u0085\u202eEnd|--candidate", `POST /memories {"type":"knowledge","content":"The landlord is Mr Okafor.\u0085\u202eEnd","status":"candidate"}`},
		{"", "review", "GET /candidates"},
		{"", "promote|{b}", "POST /memories/{b}/promote"},
		{"", "reinforce|{b}", "POST /memories/{b}/reinforce"},
		{"", "revise|{b}|The landlord is Mr Okafor, at 12 Mill Lane.", `PATCH /memories/{b} {"content":"The landlord is Mr Okafor, at 12 Mill Lane."}`},
		{"c", "supersede|{b}|The landlord is Mrs Okafor.|--source|a letter", `POST /memories/{b}/supersede {"content":"The landlord is Mrs Okafor.","provenance":{"source":"a letter"}}`},
		{"d", "add|episodic|The boiler failed.", `POST /memories {"type":"episodic","content":"The boiler failed."}`},
		{"", "invalidate|{d}|--reason|It did not.", `POST /memories/{d}/invalidate {"reason":"It did not."}`},
		{"", "get|{b}", "GET /memories/{b}"},
		{"", "list", "GET /memories"},
		{"", "list|--status|all|--project|www|--tag|style", "GET /memories?status=all&project=www&tag=style"},
		{"", "history|{b}", "GET /memories/{b}/history"},
		{"", "state|set|deadline|31 March|--project|www|--source|mail", `PUT /projects/www/state {"key":"deadline","value":"31 March","source":"mail"}`},
		{"", "state|list|--project|website", "GET /projects/website/state"},
		{"", "search|who is the landlord|--explain", `POST /search {"query":"who is the landlord","explain":true}`},
		{"", "search|zebra|--project|website|--mode|text", `POST /search {"query":"zebra","project":"website","mode":"text"}`},
		{"", "context|Write to the landlord|--budget|300|--project|website", `POST /context {"prompt":"Write to the landlord","budget":300,"project":"website"}`},
		{"", "state|unset|deadline|--project|www", "DELETE /projects/www/state?key=deadline"},
		{"i", "capture|--prompt|Which port?|--response|8443.|--session|s1|--turn|1|--client|chat|--project|www|--time|2026-01-01",
			`POST /interactions {"prompt":"Which port?","response":"8443.","session":"s1","turn":"1","client":"chat","project":"www","created_at":"2026-01-01T00:00:00Z"}`},
		{"", "capture|--learn|--prompt|We decided to use port 8443 for the API.|--response|Noted.|--session|s2|--turn|1", `POST /interactions {"prompt":"We decided to use port 8443 for the API.","response":"Noted.","session":"s2","turn":"1","learn":true}`},
		{"", "interactions|--client|chat", "GET /interactions?client=chat"},
		{"", "forget|{d}|--reason|asked to|--yes", "DELETE /memories/{d}?reason=asked+to"},
		{"", "backup|create|--label|first", `POST /admin/backup {"label":"first"}`},
		{"", "backup|list", "GET /admin/backup"},
		{"", "backup|validate|latest", "GET /admin/backup/latest/validate"},
		{"", "backup|drill|--probe|landlord", `POST /admin/backup/drill {"probes":["landlord"]}`},
		{"", "backup|prune|--keep-last|1|--dry-run", `POST /admin/backup/prune {"keep_last":1,"dry_run":true}`},
		// What fails, by its code.
		{"", "get|nobody", "GET /memories/nobody"},
		{"", "promote|{b}", "POST /memories/{b}/promote"},
		{"", "add|knowledge| ", `POST /memories {"type":"knowledge","content":" "}`},
		{"", "search|x|--project|nowhere", `POST /search {"query":"x","project":"nowhere"}`},
		{"", "backup|validate|20200101T000000Z", "GET /admin/backup/20200101T000000Z/validate"},
	}
	for _, step := range steps {
		fill := func(text string, i int) string {
			for name, id := range ids[i] {
				text = strings.ReplaceAll(text, "{"+name+"}", id)
			}
			return text
		}
		var stdout, stderr strings.Builder
		exit := run(t.Context(), commands, nil, &stdout, &stderr, append(strings.Split(fill(step.command, 0), "|"), "--json", "--quiet")...)
		method, path, _ := strings.Cut(fill(step.request, 1), " ")
		path, body, _ := strings.Cut(path, " ")
		status, answer := s.do(t, method, path, body)
		if exit != 0 {
			var failed struct{ Error struct{ Code string } }
			var problem httpapi.Problem
			if err := errors.Join(json.Unmarshal([]byte(stderr.String()), &failed), json.Unmarshal(answer, &problem)); err != nil {
				t.Fatalf("%s: %v\n%s%s", step.command, err, stderr.String(), answer)
			}
			if failed.Error.Code != problem.Code || status < 400 {
				t.Errorf("%s: code %q, over HTTP %q", step.command, failed.Error.Code, problem.Code)
			}
			continue
		}
		if status != 200 {
			t.Fatalf("%s: %d %s", step.request, status, answer)
		}
		for i, text := range []string{stdout.String(), string(answer)} {
			if step.name != "" {
				var doc struct{ ID string }
				if err := json.Unmarshal([]byte(text), &doc); err != nil {
					t.Fatal(err)
				}
				ids[i][step.name] = doc.ID
			}
		}
		want, got := alike(t, stdout.String(), ids[0], commands), alike(t, string(answer), ids[1], s.data)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-command +%s):\n%s", step.command, step.request, diff)
		}
	}
}

// changingText is what differs from store to store, in the order in which it is replaced.
var changingText = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`"(created_at|updated_at|reinforced_at|time|created|checked|began_at|ended_at|snapshot_at|valid_until)":"[^"]*"`), `"$1":"T"`},
	{regexp.MustCompile(`"(actor)":"(cli|http)"`), `"$1":"A"`},
	{regexp.MustCompile(`"(digest|hash|bytes|rto_ms|rpo_ms|milliseconds|ms|score|recency)":("[0-9a-f]*"|[0-9.e-]+)`), `"$1":0`},
	{regexp.MustCompile(`\b[0-7][0-9a-hjkmnp-tv-z]{25}\b`), "ID"},
	{regexp.MustCompile(`\b\d{8}T\d{6}Z\b`), "STAMP"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d`), "DATE"},
}

// alike is a document without what differs, as text: the order of its keys counts too.
func alike(t *testing.T, doc string, ids map[string]string, dir string) string {
	t.Helper()
	if !json.Valid([]byte(doc)) || !strings.HasSuffix(doc, "\n") || strings.Count(doc, "\n") != 1 {
		t.Fatalf("no document on a line of its own: %s", doc)
	}
	doc = strings.ReplaceAll(doc, dir, "DIR")
	for name, id := range ids {
		doc = strings.ReplaceAll(doc, id, "{"+name+"}")
	}
	for _, c := range changingText {
		doc = c.form.ReplaceAllString(doc, c.name)
	}
	return strings.ReplaceAll(doc, ",", ",\n")
}

// TestSameCodes holds the codes of the command line against those of HTTP.
func TestSameCodes(t *testing.T) {
	codes := httpapi.StatusOf
	for name, want := range sentinels {
		for _, err := range []error{want.err, fmt.Errorf("open: %w", want.err)} {
			code, _ := cli.Classify(err)
			if got, status := codes(err); got != code || status < 400 {
				t.Errorf("%s: %s on the command line, %s and %d over HTTP", name, code, got, status)
			}
		}
	}
	for _, err := range []error{errors.New("whatever"), t.Context().Err(), io.EOF} {
		if err == nil {
			continue
		}
		code, _ := cli.Classify(err)
		if got, status := codes(err); got != code || status != 500 {
			t.Errorf("%v: %s on the command line, %s and %d over HTTP", err, code, got, status)
		}
	}
}
