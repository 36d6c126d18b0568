package cmd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPlainProgressNamesEveryDeliveryThatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stderr := fleetOf(3)
		b := f.startBoard("verify", 3)
		first, second := b.start("berlin"), b.start("paris")
		first.set("waiting for rotation/mounted", 4*time.Minute)
		<-time.After(16 * time.Second)
		first.end()
		<-time.After(15 * time.Second)
		second.end()
		b.start("rome").end()
		want := `verify: 0 of 3 done, 2 under way
berlin: waiting for rotation/mounted: 15s of at most 4m0s
paris: 15s
verify: 1 of 3 done, 1 under way
paris: 30s
`
		if diff := cmp.Diff(want, stderr.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestProgressOnATerminalIsOneLineBelowTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stderr := fleetOf(2)
		f.ErrTerminal = true
		b := f.startBoard("verify", 2)
		first, second := b.start("berlin"), b.start("paris")
		<-time.After(redrawEvery + time.Millisecond)
		f.narrate("note: something")
		first.end()
		<-time.After(redrawEvery)
		second.end()
		const on, off, gone = "\x1b[?7l", "\x1b[?7h", "\r\x1b[K"
		want := on + "⠙ 0s verify: 0 of 2 done, 2 under way; berlin" + off +
			gone + "note: something\n" +
			on + "⠹ 0s verify: 1 of 2 done, 1 under way; paris" + off + gone
		if diff := cmp.Diff(want, stderr.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestProgressOfOneDeliveryNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stderr := fleetOf(1)
		p := f.startBoard("verify", 1).start("berlin")
		<-time.After(16 * time.Second)
		p.set("waiting for auth/token", 0)
		<-time.After(15 * time.Second)
		p.end()
		if diff := cmp.Diff("verify berlin: 15s\nverify berlin: waiting for auth/token: 14s\n", stderr.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestNobodyWritesWhileAPersonIsAsked(t *testing.T) {
	var out bytes.Buffer
	c := &console{out: &out}
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
	if (&console{}).alone(nil) != nil {
		t.Error("a prompt without a terminal")
	}
}
