package aidbox

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/secretctl/secretctl/internal/sandbox/loopback"
)

// Faults are ways for an Aidbox to go wrong, for tests of what notices it.
type Faults struct {
	Status int  // answer every request with this status
	HTML   bool // and with a proxy's page instead of JSON
	Hang   bool // answer no request
	Echo   bool // repeat the request, with its headers and body, in every error

	IgnoreRotation bool // never read a secret's file again
	AcceptOld      bool // accept what a secret was before, too
	AcceptAny      bool // accept any password, the empty one too
	IgnoreScope    bool // let every resource use every secret
	DropExtension  bool // return resources without the reference to their secret
	Unmask         bool // return the value where the reference was
}

// SetFaults makes the server go wrong from the next request on; the zero value
// ends that.
func (a *Server) SetFaults(f Faults) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = f
}

// hang answers nothing for as long as the client waits.
func (a *Server) hang(r *http.Request) {
	count := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.hanging += n
	}
	count(1)
	defer count(-1)
	<-r.Context().Done()
}

// Hanging returns how many requests wait because of the fault Hang.
func (a *Server) Hanging() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hanging
}

// spoil answers a request where a fault concerns all of them.
func (f Faults) spoil(w http.ResponseWriter, r *http.Request, body []byte) bool {
	switch {
	case f.Status != 0 && f.HTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.Status)
		_, _ = fmt.Fprintf(w, "<html><head><title>%[1]d %[2]s</title></head><body><h1>%[1]d %[2]s</h1></body></html>\n", f.Status, http.StatusText(f.Status))
	case f.Status != 0 && f.Echo:
		loopback.WriteJSON(w, f.Status, echo(r, body))
	case f.Status != 0:
		status, document := outcome(f.Status, "exception", http.StatusText(f.Status))
		loopback.WriteJSON(w, status, document)
	default:
		return false
	}
	return true
}

// echo makes an error that repeats the request, as a careless server's does.
func echo(r *http.Request, body []byte) any {
	_, document := outcome(0, "exception", fmt.Sprintf("%s %s %v %s", r.Method, r.URL, r.Header, body))
	return document
}

// show returns a resource as the server returns it, which without a fault is as
// it was sent.
func (f Faults) show(r resource, secrets *secretFiles) resource {
	if !f.DropExtension && !f.Unmask {
		return r
	}
	return f.leak(r, func(name string) []string {
		return secrets.values(name, r.text("resourceType"), r.text("id"), Faults{})
	})
}

// leak copies an element, without the references to secrets in it, and with their
// values where that is the fault.
func (f Faults) leak(element resource, values func(name string) []string) resource {
	shown := resource{}
	for key, value := range element {
		field, extends := strings.CutPrefix(key, "_")
		name, masked := element.reference(field)
		switch v := value.(type) {
		case map[string]any:
			if !extends || !masked {
				shown[key] = f.leak(v, values)
			} else if f.Unmask {
				for _, secret := range values(name) {
					shown[field] = secret
				}
			}
		case []any:
			items := []any{}
			for _, item := range v {
				if m, is := item.(map[string]any); is {
					item = f.leak(m, values)
				}
				items = append(items, item)
			}
			shown[key] = items
		default:
			shown[key] = v
		}
	}
	return shown
}
