package mount_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/secretctl/secretctl/test/sandboxtest"
)

func TestClosingLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("all of it", func(t *testing.T) {
		s := newStage(t)
		s.options.Interval = time.Millisecond
		m := s.mount(t)
		m.Close()
		m.Close()
	})
	sandboxtest.Eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}
