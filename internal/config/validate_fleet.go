package config

import (
	"fmt"
	"slices"
)

// validateFleet reports deliveries in conflict: each would undo what the other did, and no
// run would end "unchanged".
func validateFleet(docs []*document) {
	names := map[string]*document{}
	shared := claims{}
	for _, doc := range docs {
		d := doc.delivery
		if d == nil {
			continue
		}
		if first, taken := names[d.Name]; taken {
			doc.root.key("name").report("is already the name of the delivery at "+first.position(), "give each delivery its own name")
		} else {
			names[d.Name] = doc
		}
		if p, ok := d.provider(); ok {
			p.claim(shared, doc)
		}
	}
}

// claims is what deliveries want objects in a store to be, by object.
type claims map[string]claim

type claim struct {
	doc  *document
	want []string
}

// add adds a claim, or reports that it contradicts an earlier one.
func (c claims) add(at *place, what string, want []string, message, hint string) {
	first, taken := c[what]
	if !taken {
		c[what] = claim{at.doc, want}
	} else if !slices.Equal(first.want, want) {
		at.report(fmt.Sprintf(message, first.doc.position()), hint)
	}
}

func (doc *document) position() string { return fmt.Sprintf("%s:%d", doc.file, doc.root.line) }
