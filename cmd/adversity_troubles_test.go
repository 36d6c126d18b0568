package cmd_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// trouble is what becomes of the answers to a command.
type trouble struct {
	spoil  http.HandlerFunc // answers in the place of the server
	passes bool             // only the first request meets it, and the command gets over it
	writes bool             // reads do not meet it
	delay  time.Duration    // of every answer, which is otherwise the server's
}

// troubles returns them by name. A redirect leads to elsewhere.
func troubles(elsewhere string) map[string]trouble {
	return map[string]trouble{
		"truncated once": {spoil: truncated, passes: true},
		"reset once":     {spoil: reset, passes: true},
		"throttled once": {spoil: refuse(http.StatusTooManyRequests), passes: true},
		"failing once":   {spoil: refuse(http.StatusInternalServerError), passes: true},
		"late":           {delay: 300 * time.Millisecond, passes: true},
		"reset":          {spoil: reset},
		"throttled":      {spoil: refuse(http.StatusTooManyRequests)},
		"failing":        {spoil: refuse(http.StatusInternalServerError)},
		"truncated":      {spoil: truncated},
		"endless":        {spoil: endless},
		"huge":           {spoil: huge},
		"wrong type":     {spoil: wrongType},
		"redirected":     {spoil: redirect(elsewhere)},
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func refuse(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"errors": ["not now"]}`)
	}
}

func redirect(elsewhere string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
	}
}

func wrongType(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<html><title>Log in</title></html>")
}

// beginning is that of an answer that never ends, in any way.
const beginning = `{"data": {"client-secret": "`

func truncated(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, beginning)
	panic(http.ErrAbortHandler)
}

func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, beginning)
	drip := time.NewTicker(10 * time.Millisecond)
	defer drip.Stop()
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case <-drip.C:
		}
		_, _ = io.WriteString(w, "x")
		err = http.NewResponseController(w).Flush()
	}
}

func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, beginning)
	block := strings.Repeat("x", 1<<20)
	for range 256 {
		if err == nil {
			_, err = io.WriteString(w, block)
		}
	}
	_, _ = io.WriteString(w, `"}}`)
}
