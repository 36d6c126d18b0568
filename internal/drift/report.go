// Package drift compares a delivery with what is deployed: the objects in the cluster,
// the store, and the resources in Aidbox. It changes nothing.
package drift

import (
	"bytes"
	"fmt"
	"io"

	"github.com/secretctl/secretctl/internal/diff"
	"github.com/secretctl/secretctl/internal/hint"
)

// SchemaVersion is the version of the JSON form. It grows when a field changes its meaning
// or is removed.
const SchemaVersion = 1

// State is the outcome of a comparison with the config.
type State string

// The outcomes of an object, and of a part or a report, which are never absent.
const (
	Equal     State = "equal"
	Different State = "different"
	Absent    State = "absent" // of an object that would be created
	Unknown   State = "unknown"
	Skipped   State = "skipped" // of a part that was not compared
)

// Report is the outcome of a comparison.
type Report struct {
	SchemaVersion int           `json:"schemaVersion"`
	Status        State         `json:"status"` // equal, different, or unknown where any object is
	Deliveries    []Delivery    `json:"deliveries"`
	Error         *hint.Problem `json:"error,omitempty"` // what ended the comparison early
}

// Delivery is the comparison of one delivery.
type Delivery struct {
	Name  string `json:"name"`
	Parts []Part `json:"parts"`
}

// Part is the comparison with one place: cluster, store or aidbox.
type Part struct {
	Name    string   `json:"name"`
	Status  State    `json:"status"` // equal, different, unknown, skipped
	Detail  string   `json:"detail,omitempty"`
	Hint    string   `json:"hint,omitempty"`
	Objects []Object `json:"objects"`
}

// Object is the comparison of one object in that place.
type Object struct {
	Name   string       `json:"object"`
	State  State        `json:"state"` // equal, different, absent, unknown
	Detail string       `json:"detail,omitempty"`
	Hint   string       `json:"hint,omitempty"`
	Fields []diff.Field `json:"fields,omitempty"`
}

// unknown is an object that could not be compared.
func unknown(name string, err error) Object {
	return Object{Name: name, State: Unknown, Detail: err.Error(), Hint: hint.Of(err)}
}

// NewPart sums up the objects of a part.
func NewPart(name string, objects []Object) Part {
	p := Part{Name: name, Status: Equal, Objects: append([]Object{}, objects...)}
	for _, o := range objects {
		p.Status = worse(p.Status, o.State)
	}
	return p
}

// NewReport sums up. failed is what ended the comparison early, or nil.
func NewReport(deliveries []Delivery, failed *hint.Problem) Report {
	r := Report{SchemaVersion: SchemaVersion, Status: Equal, Deliveries: append([]Delivery{}, deliveries...), Error: failed}
	for _, d := range deliveries {
		for _, p := range d.Parts {
			r.Status = worse(r.Status, p.Status)
		}
	}
	if failed != nil {
		r.Status = Unknown
	}
	return r
}

// worse returns the state of two together: unknown wins over different.
func worse(a, b State) State {
	switch {
	case a == Unknown || b == Unknown:
		return Unknown
	case a == Different || b == Different || b == Absent:
		return Different
	}
	return Equal
}

// Count returns how many objects are equal, and how many could be compared.
func (r Report) Count() (equal, all int) {
	for _, d := range r.Deliveries {
		for _, p := range d.Parts {
			for _, o := range p.Objects {
				switch o.State {
				case Equal:
					equal, all = equal+1, all+1
				case Different, Absent:
					all++
				}
			}
		}
	}
	return equal, all
}

var marks = map[State]string{Different: "~", Absent: "+", Unknown: "?", Skipped: "-"}

// WriteText writes what is not equal.
func WriteText(w io.Writer, r Report) error {
	var out bytes.Buffer
	for _, d := range r.Deliveries {
		for _, p := range d.Parts {
			p.write(&out, d.Name)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (p Part) write(out *bytes.Buffer, delivery string) {
	heading := fmt.Sprintf("delivery %q: %s\n", delivery, p.Name)
	line := func(state State, name, detail, hint string) {
		out.WriteString(heading)
		heading = ""
		if name != "" && detail != "" {
			name += ": "
		}
		fmt.Fprintf(out, "  %s %s%s\n", marks[state], name, detail)
		if hint != "" {
			fmt.Fprintf(out, "      hint: %s\n", hint)
		}
	}
	if p.Detail != "" && p.Status == Unknown {
		line(p.Status, "", p.Detail, p.Hint)
	}
	for _, o := range p.Objects {
		if o.State == Equal {
			continue
		}
		line(o.State, o.Name, o.Detail, o.Hint)
		for _, f := range o.Fields {
			fmt.Fprintf(out, "      %s\n", f)
		}
	}
}
