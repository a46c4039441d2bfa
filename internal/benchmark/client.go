package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// workerFlag makes the program a worker.
const workerFlag = "-worker"

// A worker is a process that works on one store.
type worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	e   *json.Encoder
	d   *json.Decoder
}

// startWorker starts a worker, which has opened its store when it returns.
func startWorker(ctx context.Context, s setup) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, workerFlag)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := &worker{cmd: cmd, in: in, e: json.NewEncoder(in), d: json.NewDecoder(out)}
	if _, err := w.send(s); err != nil {
		return nil, errors.Join(fmt.Errorf("start worker for %s %s: %w", s.Engine, s.Dir, err), w.stop())
	}
	return w, nil
}

// send sends a setup or a request and waits for the reply.
func (w *worker) send(v any) (reply, error) {
	if err := w.e.Encode(v); err != nil {
		return reply{}, fmt.Errorf("write to worker: %w", err)
	}
	var r reply
	if err := w.d.Decode(&r); err != nil {
		return reply{}, fmt.Errorf("read from worker: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// close has the worker close its store and end, and returns how long the store
// took for that.
func (w *worker) close() (micros float64, err error) {
	r, err := w.send(request{Op: opClose})
	if err = errors.Join(err, w.stop()); err != nil {
		return 0, err
	}
	return r.Micros[0], nil
}

// stop ends the worker, if it has not done so itself, and waits for it.
func (w *worker) stop() error {
	w.in.Close() //nolint:errcheck // its end has the worker end; Wait says how that went
	return w.cmd.Wait()
}

// statusBytes reads a figure from a Linux process status, where it is in kB.
func statusBytes(status []byte, name string) int64 {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if f := bytes.Fields(rest); len(f) > 0 {
				kb, err := strconv.ParseInt(string(f[0]), 10, 64)
				if err == nil {
					return kb << 10
				}
			}
		}
	}
	return 0
}
