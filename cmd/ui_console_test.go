package cmd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNobodyWritesWhileAPersonIsAsked(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out, nil)
	c.status("working")
	var others sync.WaitGroup
	prompt := c.alone(func(label string) ([]byte, error) {
		others.Go(func() { _, _ = io.WriteString(c, "a note\n") })
		others.Go(func() { c.status("still working") })
		<-time.After(time.Millisecond) // so that they would have written
		_, _ = fmt.Fprintf(&out, "Value of %s: ", label)
		return nil, nil
	})
	_, _ = prompt("it")
	others.Wait()
	if want := "\x1b[?7lworking\x1b[?7h\r\x1b[KValue of it: "; !strings.HasPrefix(out.String(), want) {
		t.Errorf("%q, want it to begin with %q", out.String(), want)
	}
	if c.alone(nil) != nil {
		t.Error("a prompt without a terminal")
	}
}
