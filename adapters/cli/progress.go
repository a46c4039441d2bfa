package cli

import (
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/atocore/atocore"
)

// progress returns a function that shows how far long work is, on standard
// error if that is a terminal, and one that clears it away.
func (s *session) progress(what string) (update func(done, total int), clear func()) {
	if s.quiet || !isTerminal(s.stderr) {
		return func(int, int) {}, func() {}
	}
	bar := s.bar(what, progressbar.OptionShowCount())
	update = func(done, total int) {
		if total > 0 && total != bar.GetMax() {
			bar.ChangeMax(total)
		}
		_ = bar.Set(done) // a terminal that went away does not stop the work
	}
	return update, func() { _ = bar.Clear() }
}

// byteProgress is progress for work that counts bytes, in several steps; the
// function is nil where there is nothing to show it on.
func (s *session) byteProgress() (update func(atocore.Progress), clear func()) {
	if s.quiet || !isTerminal(s.stderr) {
		return nil, func() {}
	}
	bar := s.bar("", progressbar.OptionShowBytes(true))
	update = func(p atocore.Progress) {
		bar.Describe(p.Step)
		if p.Total > 0 && p.Total != bar.GetMax64() {
			bar.ChangeMax64(p.Total)
		}
		_ = bar.Set64(p.Done)
	}
	return update, func() { _ = bar.Clear() }
}

func (s *session) bar(what string, more ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions(-1, append([]progressbar.Option{
		progressbar.OptionSetWriter(s.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100 * time.Millisecond), // a bar is for eyes
	}, more...)...)
}
