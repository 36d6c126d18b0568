package sandbox_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/secretctl/secretctl/internal/sandbox"
)

func TestClosingLeavesNothingRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("all of it", func(t *testing.T) {
		s := newStage(t)
		s.options.Interval = time.Millisecond
		m := s.mount(t)
		a := prepared(t, references, time.Millisecond)
		a.SetFaults(sandbox.AidboxFaults{Hang: true})
		asked := make(chan struct{})
		go func() {
			close(asked)
			if resp, err := web.Get(a.URL + "/health"); err == nil {
				_ = resp.Body.Close()
			}
		}()
		<-asked
		m.Close()
		m.Close()
	})
	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}
