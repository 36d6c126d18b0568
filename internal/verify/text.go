package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxListed is how many replicas a detail names: a rotation may have a thousand.
const maxListed = 10

// list joins the first items, and says how many it left out.
func list(separator string, items []string) string {
	if more := len(items) - maxListed; more > 0 {
		items = append(slices.Clone(items[:maxListed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(items, separator)
}

// Count returns "1 file", "2 files".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// sleep waits, and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// pause is how long to wait before asking again: at first less, so that short times are precise.
func pause(start time.Time) time.Duration {
	return min(time.Second, max(200*time.Millisecond, time.Since(start)/10))
}
