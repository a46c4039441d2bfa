package restore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/atocore/atocore/backup"
	"github.com/atocore/atocore/internal/sqlite"
	"github.com/atocore/atocore/restore"
)

// The test binary is also the other processes that the tests need.
func TestMain(m *testing.M) {
	if do := os.Getenv("RESTORE_TEST_PROCESS"); do != "" {
		if err := process(do, os.Getenv("RESTORE_TEST_DATA")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// start runs another process and waits until it says that it is ready.
func start(t testing.TB, do, data string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "RESTORE_TEST_PROCESS="+do, "RESTORE_TEST_DATA="+data)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("process %s: %q, %v", do, line, err)
	}
	return cmd
}

// plainProgram has the database open without the lock file, where that can be tested.
var plainProgram func(data, which string) error

func process(do, data string) error {
	ctx := context.Background()
	switch do {
	case "plain db", "plain shm":
		return plainProgram(data, strings.TrimPrefix(do, "plain "))
	case "hold":
		db, err := sqlite.Open(ctx, storeConfig(data))
		if err != nil {
			return err
		}
		defer db.Close()
		fmt.Println("ready")
		time.Sleep(time.Hour) // until it is killed
		return nil
	case "restore":
		return restoreForEver(ctx, data)
	}
	return fmt.Errorf("no such process: %s", do)
}

// restoreForEver restores the snapshots labelled 0 and 1 in turn.
func restoreForEver(ctx context.Context, data string) error {
	c := config(data)
	all, err := backup.List(ctx, c.Config)
	if err != nil {
		return err
	}
	stamps := map[string]string{}
	for _, s := range all {
		if s.Manifest != nil {
			stamps[s.Manifest.Label] = s.Stamp
		}
	}
	for i := 0; ; i++ {
		o := restore.Options{Stamp: stamps[fmt.Sprint(i%2)], ConfirmServiceStopped: true, NoPreSnapshot: i%3 != 2}
		if _, err := restore.Run(ctx, c, o); err != nil {
			return err
		}
		if i == 0 {
			fmt.Println("ready") // the engine is warm
		}
		if !o.NoPreSnapshot {
			keep := backup.Policy{KeepLast: 1, KeepLabels: []string{"0", "1"}}
			if _, err := backup.Prune(ctx, c.Config, keep, backup.PruneOptions{}); err != nil {
				return err
			}
		}
	}
}
