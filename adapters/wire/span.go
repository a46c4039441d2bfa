package wire

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Span reads a span of time above zero: what Go knows, 36h say, and days and weeks, 7d
// and 2w.
func Span(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(text, unit)
		n, err := strconv.ParseFloat(number, 64)
		if n *= float64(length); ok && err == nil && n >= 1 && n < math.MaxInt64 {
			return time.Duration(n), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("not above zero")
	}
	if err != nil {
		return 0, fmt.Errorf("%q is no span of time; write 36h, 7d or 2w", text)
	}
	return d, nil
}
