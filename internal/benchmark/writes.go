package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// warmWrites are written before the writes that count.
const warmWrites = 20

// writes measures single records being stored durably, in a copy of each store so
// that the store keeps its size. chromem-go, which never syncs a file, has no such
// thing.
func (r *run) writes(ctx context.Context, stores []store) error {
	for i := range stores {
		s := &stores[i]
		if s.engine != engineAtocore {
			continue
		}
		if _, err := r.ensure(ctx, s); err != nil {
			return err
		}
		micros, err := r.writeSingles(ctx, s)
		if err != nil {
			return err
		}
		r.result.add(summary(s.key(whatRemember, ""), millis(micros)))
	}
	return nil
}

func (r *run) writeSingles(ctx context.Context, s *store) (micros []float64, err error) {
	r.progress("%s: single writes", s.dir)
	scratch := filepath.Join(s.dir, "scratch")
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := copyDir(s.data(), scratch); err != nil {
		return nil, err
	}
	set := r.setup(s)
	set.Dir = scratch
	w, err := startWorker(ctx, set)
	if err != nil {
		return nil, err
	}
	first := s.records + warmWrites
	if _, err := w.send(request{Op: opWrite, From: s.records, To: first, Batch: 1}); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	rep, err := w.send(request{Op: opWrite, From: first, To: first + r.method.Writes, Batch: 1})
	if err != nil {
		return nil, errors.Join(err, w.stop())
	}
	_, err = w.close()
	return rep.Micros, err
}

// copyDir copies the regular files of a directory, and has them on the disk before
// it returns, so that writing them out disturbs nothing that comes after.
func copyDir(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return copyFile(name, target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
