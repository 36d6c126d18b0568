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
	Needs []string // IDs of the checks that must pass first, with the same subject or without one

	after string // ID of a check that must have run, whatever its result; "" for none

	// evenUnknown runs the check even if what it needs is unknown: it may be the better proof.
	evenUnknown bool

	subjects func(context.Context, *run) []subject // nil: one, without a name
	prepare  func(context.Context, *run)           // runs once, before all subjects; may be nil
	parallel bool                                  // the subjects are checked at the same time
	run      func(context.Context, *run, subject) Result
}

// manual is the address of the documentation of the checks.
const manual = "https://github.com/secretctl/secretctl/blob/main/docs/checks.md"

// Group returns the part of the ID before the slash.
func (c Check) Group() string { return groupOf(c.ID) }

// Doc returns the address of the section that explains the check.
func (c Check) Doc() string { return manual + "#" + strings.ReplaceAll(c.ID, "/", "-") }

// subject is what a check is about. A check sets the fields that it uses.
type subject struct {
	name  string   // in reports: "client-secret pod/aidbox-7d4"
	needs []string // in addition to those of the check; "ID" or "ID subject"

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

// needsCluster returns what a check needs that looks into pods, or asks Aidbox through the
// API server: if the cluster does not answer, they would all report the same error.
func (r *run) needsCluster(through bool) []string {
	if r.Cluster == nil || !through {
		return nil
	}
	return []string{"cluster/api"}
}

// toAidbox is needsCluster for a check that asks Aidbox.
func (r *run) toAidbox() []string {
	_, _, tunnel := r.d.Aidbox.Service()
	return r.needsCluster(tunnel)
}
