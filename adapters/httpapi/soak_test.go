package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/adapters/httpapi"
)

var (
	soak     = flag.Duration("soak", time.Second, "how long TestParallel goes on")
	requests = flag.Int("requests", 500, "how many requests TestGenerated makes")
)

// TestParallel has 200 clients write and search at once: none may get an error, and what
// was acknowledged has to be there.
func TestParallel(t *testing.T) {
	const clients = 200
	store := openStore(t, nil)
	s := serve(t, store, &httpapi.Options{Token: token})
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	var mu sync.Mutex
	acknowledged := map[string]string{} // content by ID
	var took [2][]time.Duration         // of writes and of searches
	end := time.Now().Add(*soak)
	work := func(n int) error {
		for i := 0; i == 0 || time.Now().Before(end); i++ {
			content := fmt.Sprintf("Client %d has said that room %d is free on day %d.", n, n*7%50, i)
			began := time.Now()
			var m atocore.Memory
			if err := post(t.Context(), client, s.URL+"/memories", map[string]any{"type": "knowledge", "content": content}, &m); err != nil {
				return err
			}
			wrote := time.Since(began)
			began = time.Now()
			var found atocore.Results
			if err := post(t.Context(), client, s.URL+"/search", map[string]any{"query": fmt.Sprintf("which room is free, says client %d", n)}, &found); err != nil {
				return err
			}
			searched := time.Since(began)
			if len(found.Hits) == 0 {
				return fmt.Errorf("client %d finds nothing of what it has just written", n)
			}
			mu.Lock()
			acknowledged[m.ID] = content
			took[0], took[1] = append(took[0], wrote), append(took[1], searched)
			mu.Unlock()
		}
		return nil
	}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			if err := work(n); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	held := 0
	for m, err := range store.Memories(t.Context(), atocore.MemoryFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		held++
		if want, ok := acknowledged[m.ID]; !ok || m.Content != want {
			t.Errorf("memory %s is %q, acknowledged: %v, %q", m.ID, m.Content, ok, want)
		}
	}
	if held != len(acknowledged) || held < clients {
		t.Errorf("%d memories are there, %d were acknowledged", held, len(acknowledged))
	}
	for i, what := range []string{"writes", "searches"} {
		slices.Sort(took[i])
		n := len(took[i])
		t.Logf("%d %s, median %v, 99 of 100 under %v, all under %v", n, what, took[i][n/2], took[i][n*99/100], took[i][n-1])
	}
}

// post sends a request that is to succeed.
func post(ctx context.Context, client *http.Client, url string, body, result any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", url, res.StatusCode, answer)
	}
	return json.Unmarshal(answer, result)
}
