package cli

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress returns a function that shows how far long work is, on standard
// error if that is a terminal, and one that clears it away.
func (s *session) progress(what string) (update func(done, total int), clear func()) {
	if s.quiet || !isTerminal(s.stderr) {
		return func(int, int) {}, func() {}
	}
	bar := progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(s.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond), // a bar is for eyes
	)
	update = func(done, total int) {
		if total > 0 && total != bar.GetMax() {
			bar.ChangeMax(total)
		}
		_ = bar.Set(done) // a terminal that went away does not stop the work
	}
	return update, func() { _ = bar.Clear() }
}
