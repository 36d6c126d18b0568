package verify

import (
	"context"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// Check is one question about a delivery. The checks are literals, in a file for
// each group, and whatever lists checks reads these.
type Check struct {
	ID    string   // "mount/present": its group, and its name there
	Title string   // what it proves, in a few words
	Needs []string // IDs of the checks that must pass first, about the same subject or about none

	// evenUnknown has it run where what it needs is unknown too: it may be the better proof.
	evenUnknown bool

	subjects func(context.Context, *run) []subject // nil: one, without a name
	prepare  func(context.Context, *run)           // for all subjects at once; may be nil
	parallel bool                                  // subjects are checked side by side
	run      func(context.Context, *run, subject) Result
}

// manual is where the documentation is for those who have none beside them.
const manual = "https://github.com/secretctl/secretctl/blob/main/docs/checks.md"

// Group returns what stands before the slash of the ID.
func (c Check) Group() string { return groupOf(c.ID) }

// Doc returns the page that explains the check.
func (c Check) Doc() string { return manual + "#" + strings.ReplaceAll(c.ID, "/", "-") }

// subject is what a check is about. A check sets the fields that it uses.
type subject struct {
	name  string   // as the report has it: "client-secret pod/aidbox-7d4"
	needs []string // beside those of the check; "ID" or "ID subject"

	secret   config.Secret
	resource config.Resource
	client   client
	mount    *mount
	class    store.Class
}

func perSecret(_ context.Context, r *run) (all []subject) {
	for _, s := range r.d.Secrets {
		all = append(all, subject{name: s.Name, secret: s})
	}
	return all
}

func perResource(_ context.Context, r *run) (all []subject) {
	for _, res := range r.d.Resources {
		all = append(all, subject{name: res.Ref(), resource: res})
	}
	return all
}
