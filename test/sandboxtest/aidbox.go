package sandboxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/sandbox/aidbox"
)

// AidboxFaults are the faults of an Aidbox.
type AidboxFaults struct {
	Status int  // answer every request with this status
	HTML   bool // and with a proxy's page instead of JSON
	Hang   bool // answer no request

	IgnoreRotation bool // accept what a secret is now, whatever it will be
	AcceptOld      bool // accept what a secret is now, too
	AcceptAny      bool // accept any password, the empty one too
	IgnoreScope    bool // let every resource use every secret
	DropExtension  bool // return resources without the reference to their secret
	Unmask         bool // return the value where the reference was
}

// Aidbox is an Aidbox with faults to inject.
type Aidbox struct {
	*aidbox.Server

	options aidbox.Options

	mu      sync.Mutex // guards all below
	faults  AidboxFaults
	before  map[string]string // what the secrets were when the faults began
	hanging int
}

// StartAidbox starts an Aidbox without a fault.
func StartAidbox(options aidbox.Options) (*Aidbox, error) {
	a := &Aidbox{options: options}
	options.Wrap = a.wrap
	var err error
	a.Server, err = aidbox.Start(options)
	return a, err
}

// SetFaults sets the faults from the next request on; the zero value ends them.
func (a *Aidbox) SetFaults(f AidboxFaults) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults, a.before = f, a.secrets()
}

// Hanging returns how many requests wait because of the fault Hang.
func (a *Aidbox) Hanging() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hanging
}

// secrets returns the content of the file of each secret in the vault config.
func (a *Aidbox) secrets() map[string]string {
	var config struct {
		Secret map[string]struct{ Path string }
	}
	values := map[string]string{}
	content, _ := os.ReadFile(filepath.Join(a.options.Root, a.options.VaultConfig))
	_ = json.Unmarshal(content, &config)
	for name, s := range config.Secret {
		if value, err := os.ReadFile(filepath.Join(a.options.Root, s.Path)); err == nil {
			values[name] = string(value)
		}
	}
	return values
}

func (a *Aidbox) wrap(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		f, before := a.faults, a.before
		a.mu.Unlock()
		switch {
		case f.Hang:
			a.hang(r)
		case f.Status != 0 && f.HTML:
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(f.Status)
			_, _ = fmt.Fprintf(w, "<html><head><title>%[1]d %[2]s</title></head><body><h1>%[1]d %[2]s</h1></body></html>\n", f.Status, http.StatusText(f.Status))
		case f.Status != 0:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(f.Status)
			_, _ = fmt.Fprintf(w, `{"resourceType": "OperationOutcome", "issue": [{"severity": "fatal", "code": "exception", "diagnostics": %q}]}`, http.StatusText(f.Status))
		case f.DropExtension || f.Unmask:
			a.unmask(w, r, next, f.Unmask)
		default:
			a.authenticate(r, f, before)
			next(w, r)
		}
	}
}

// hang answers nothing for as long as the client waits.
func (a *Aidbox) hang(r *http.Request) {
	count := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.hanging += n
	}
	count(1)
	defer count(-1)
	_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client has gone
	<-r.Context().Done()
}

// authenticate replaces a Client's password by root's, if a fault accepts it, or by a wrong
// one, if a fault refuses it.
func (a *Aidbox) authenticate(r *http.Request, f AidboxFaults, before map[string]string) {
	id, password, basic := r.BasicAuth()
	if !basic || id == "root" {
		return
	}
	is := func(values map[string]string) bool {
		for _, value := range values {
			if value == password {
				return true
			}
		}
		return false
	}
	switch accepted := f.AcceptAny || f.AcceptOld && is(before) || f.IgnoreScope && is(a.secrets()) || f.IgnoreRotation && is(before); {
	case accepted:
		r.SetBasicAuth("root", a.RootSecret)
	case f.IgnoreRotation:
		r.SetBasicAuth(id, "")
	}
}

// unmask answers without the references to secrets, or with the values instead.
func (a *Aidbox) unmask(w http.ResponseWriter, r *http.Request, next http.HandlerFunc, unmask bool) {
	answer := httptest.NewRecorder()
	next(answer, r)
	var document map[string]any
	if json.Unmarshal(answer.Body.Bytes(), &document) == nil {
		var values map[string]string
		if unmask {
			values = a.secrets()
		}
		content, _ := json.Marshal(withoutReferences(document, values))
		answer.Body = bytes.NewBuffer(content)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// withoutReferences copies an element without the fields that refer to a secret; a field
// whose secret is in values gets its value.
func withoutReferences(element any, values map[string]string) any {
	switch e := element.(type) {
	case []any:
		items := []any{}
		for _, item := range e {
			items = append(items, withoutReferences(item, values))
		}
		return items
	case map[string]any:
		shown := map[string]any{}
		for key, value := range e {
			if field, extends := strings.CutPrefix(key, "_"); extends {
				text, _ := json.Marshal(value)
				for name, secret := range values {
					if strings.Contains(string(text), `"`+name+`"`) {
						shown[field] = secret
					}
				}
				continue
			}
			shown[key] = withoutReferences(value, values)
		}
		return shown
	}
	return element
}
