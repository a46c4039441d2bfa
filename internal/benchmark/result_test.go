package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	var values []float64
	for n := range 101 {
		values = append(values, float64((n*37)%101)) // 0 to 100, in disorder
	}
	got := summary(key{What: kindText}, values)
	want := figure{key: key{What: kindText}, N: 101, Median: 50, P95: 95, Min: 0}
	if got != want {
		t.Errorf("summary = %+v, want %+v", got, want)
	}
	if got := quantile([]float64{1, 2}, 0.5); got != 1.5 {
		t.Errorf("the median of 1 and 2 is %v, want 1.5", got)
	}
	if got := quantile([]float64{7}, 0.95); got != 7 {
		t.Errorf("the 95th percentile of 7 alone is %v", got)
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBetween(t *testing.T) {
	page := "before\n" + markBegin + "old\n" + markEnd + "after\n"
	got, err := between(page, "new\n")
	if want := "before\n" + markBegin + "\nnew\n\n" + markEnd + "after\n"; err != nil || got != want {
		t.Errorf("between = %q, %v, want %q", got, err, want)
	}
	again, err := between(got, "new\n")
	if err != nil || again != got {
		t.Errorf("the second time it is %q, %v, want the same", again, err)
	}
	for _, broken := range []string{"", markBegin, markEnd, markEnd + markBegin} {
		if got, err := between(broken, "new\n"); err == nil {
			t.Errorf("between(%q) = %q, want an error", broken, got)
		}
	}
}

// TestBars holds the verdicts to figures on both sides of each bar.
func TestBars(t *testing.T) {
	verdicts := func(median, p95 float64) []string {
		var r result
		for _, b := range bars {
			r.add(figure{key: b.key, N: 1, Median: median, P95: p95})
		}
		var out []string
		for _, row := range r.bars()[:len(bars)] {
			out = append(out, row[3])
		}
		return out
	}
	lower := []string{"reached", "missed", "reached", "missed", "reached", "reached", "reached", "missed", "reached"}
	if got := verdicts(0.5, 0.5); !slices.Equal(got, lower) {
		t.Errorf("of small figures: %q, want %q", got, lower)
	}
	higher := []string{"missed", "reached", "missed", "reached", "missed", "missed", "missed", "reached", "missed"}
	if got := verdicts(6000, 6000); !slices.Equal(got, higher) {
		t.Errorf("of large figures: %q, want %q", got, higher)
	}
	if got := verdicts(0.5, 6000)[0]; got != "missed" {
		t.Errorf("a 95th percentile above the bar: %q", got)
	}
	for _, row := range (&result{}).bars() {
		if row[2] != "not in this run" || row[3] != "" {
			t.Errorf("without a figure: %q", row)
		}
	}
}

func TestWorstFilter(t *testing.T) {
	var r result
	none := at(100_000, "384", kindVector, "none")
	r.add(figure{key: none, N: 1, Median: 2}, figure{key: at(100_000, "384", kindVector, "type"), N: 1, Median: 3}, figure{key: at(100_000, "384", kindVector, "time"), N: 1, Median: 1})
	if got, ok := r.worstFilter(none); !ok || got != 1.5 {
		t.Errorf("worstFilter = %v, %v, want 1.5", got, ok)
	}
}

func TestMarkdown(t *testing.T) {
	r := result{Method: method{Sizes: []int{1000, 20_000}}}
	r.add(
		figure{key: key{Engine: engineAtocore, Store: "384", What: kindVector, Filter: "type", Records: 20_000}, N: 3, Median: 12.345, P95: 345.6, Min: 1.2345},
		single(key{Engine: engineChromem, Store: "384", What: kindVector, Filter: "none", Records: 1000}, 2),
	)
	got := r.markdown()
	for _, want := range []string{
		"| what | store | filter | 1,000 | 20,000 |\n",
		"| vectors | 384 dimensions | type |  | 12.3 / 346 (1.23) |\n",
		"| vectors | chromem-go, 384 dimensions | none | 2.00 / 2.00 (2.00) |  |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report has no line %q:\n%s", want, got)
		}
	}
}

func TestJoin(t *testing.T) {
	file := func(commit string, size int, value float64) string {
		t.Helper()
		r := result{Machine: machine{Commit: commit}, Method: method{Sizes: []int{size}}}
		r.add(single(key{What: kindText, Records: size}, value))
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "result.json")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	got, err := readResults([]string{file("a", 2000, 7), file("a", 1000, 5)})
	want := result{Machine: machine{Commit: "a"}, Method: method{Sizes: []int{1000, 2000}}}
	want.add(single(key{What: kindText, Records: 2000}, 7), single(key{What: kindText, Records: 1000}, 5))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("readResults = %+v, %v, want %+v", got, err, want)
	}
	for name, second := range map[string]string{"another commit": file("b", 1000, 5), "the same figure": file("a", 2000, 5)} {
		if _, err := readResults([]string{file("a", 2000, 7), second}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
