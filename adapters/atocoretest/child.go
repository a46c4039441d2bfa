package atocoretest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/atocore/atocore"
)

// jobEnv is the environment variable that makes a process a child.
const jobEnv = "ATOCORETEST_JOB"

// A job is what a child process has to do: restore.
type job struct {
	Data   string   `json:"data"`
	Stamp  string   `json:"stamp"`
	Cache  string   `json:"cache"`
	Mounts []string `json:"mounts"` // to be made mount points first, outermost first
}

// The child does its job here, before anything of the test runs, so that nobody
// has to remember a line in TestMain, and forgetting it cannot start the tests in
// the tests.
func init() {
	text := os.Getenv(jobEnv)
	if text == "" {
		return
	}
	if err := child(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, ErrNoMounts) {
			os.Exit(exitNoMounts)
		}
		os.Exit(1)
	}
	os.Exit(0)
}

// exitNoMounts is a child's exit code where it may not mount.
const exitNoMounts = 3

// begun is what a child prints when it begins to restore.
const begun = "begun\n"

func child(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	for _, name := range j.Mounts {
		if err := mountOverItself(name); err != nil {
			return err
		}
	}
	if _, err := os.Stdout.WriteString(begun); err != nil {
		return err
	}
	// The vectors are in the snapshot: no embedder of the program is needed.
	b := atocore.NewBackup(j.Data, &atocore.BackupOptions{Options: &atocore.Options{CompileCache: j.Cache, NoEmbedder: true}})
	_, err := b.Restore(context.Background(), j.Stamp, &atocore.RestoreOptions{ConfirmServiceStopped: true})
	return err
}

// command is a child process.
func (j job) command(ctx context.Context) (*exec.Cmd, *bytes.Buffer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), jobEnv+"="+string(text))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr, nil
}

// kills kills restoring processes.
func (t *trip) kills(ctx context.Context) error {
	// One that is let be tells how long a restore takes here.
	window, _, err := t.kill(ctx, -1)
	if err != nil {
		return fmt.Errorf("a restore by a process of its own: %w", err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	hit := 0
	for range t.o.Kills {
		at := time.Duration(rng.Int64N(int64(window) + 1))
		_, killed, err := t.kill(ctx, at)
		if err != nil {
			return fmt.Errorf("killed %v after the restore had begun: %w", at, err)
		}
		if killed {
			hit++
		}
	}
	if hit == 0 {
		return fmt.Errorf("kills: none of %d processes was killed before it was done", t.o.Kills)
	}
	return nil
}

// kill starts a restore, kills it after a while (never, where that is negative)
// and looks at what it left. It returns how long the restore took.
func (t *trip) kill(ctx context.Context, after time.Duration) (took time.Duration, killed bool, err error) {
	dir, err := t.copy()
	if err != nil {
		return 0, false, err
	}
	j := job{Data: dir, Stamp: t.stamp, Cache: t.o.Store.CompileCache}
	cmd, stderr, err := j.command(ctx)
	if err != nil {
		return 0, false, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, false, err
	}
	if err := cmd.Start(); err != nil {
		return 0, false, err
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != begun {
		return 0, false, fmt.Errorf("the process did not begin: %w\n%s", errors.Join(err, cmd.Wait()), stderr)
	}
	start := time.Now()
	if after >= 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may be done already
		defer timer.Stop()
	}
	failed := cmd.Wait()
	took = time.Since(start)
	killed = failed != nil && cmd.ProcessState.ExitCode() < 0 || failed != nil && stderr.Len() == 0
	if failed != nil && !killed {
		return 0, false, fmt.Errorf("the restore failed: %w\n%s", failed, stderr)
	}
	isNew, err := t.which(ctx, dir)
	if err != nil {
		return 0, false, err
	}
	if failed == nil && !isNew {
		return 0, false, errors.New("the restore succeeded, but the store is as it was before")
	}
	return took, killed, os.RemoveAll(dir)
}
