package verify

import (
	"context"
	"strconv"
	"strings"
)

// oldestAidbox is the first version that reads secrets from files.
const oldestAidbox = 2602

var aidboxChecks = []Check{
	{
		ID: "aidbox/reachable", Title: "Aidbox is reachable",
		run: aidboxAnswers,
	},
	{
		ID: "aidbox/version", Title: "Aidbox is new enough",
		Needs: []string{"aidbox/reachable"},
		run:   aidboxNewEnough,
	},
}

func aidboxAnswers(ctx context.Context, r *run, _ subject) Result {
	if err := r.Aidbox.Health(ctx); err != nil {
		return r.unknown(err)
	}
	return Pass("Aidbox at %s is healthy", r.d.Aidbox.URL)
}

func aidboxNewEnough(ctx context.Context, r *run, _ subject) Result {
	if r.Admin == nil {
		return r.noAdmin()
	}
	version, err := r.Admin.Version(ctx)
	if err != nil {
		return r.unknown(err)
	}
	version = r.line(version)
	release, _, _ := strings.Cut(version, ".") // 2602, or 2602.1
	n, err := strconv.Atoi(release)
	switch {
	case err != nil:
		return Warn("Aidbox reports version %s; secretctl cannot tell whether that is %d or later", version, oldestAidbox)
	case n < oldestAidbox:
		return Fail("Aidbox %s cannot read secrets from files: this needs %d or later", version, oldestAidbox).WithHint("set aidbox.image to a later version, and deploy it")
	}
	return Pass("Aidbox %s", version)
}
