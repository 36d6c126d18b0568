package verify

import (
	"context"
	"strconv"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
)

// oldestAidbox is the first version that reads secrets from files.
const oldestAidbox = 2602

func aidboxChecks(d *config.Delivery, w Dependencies, vs *values) []check {
	return []check{
		{"aidbox/reachable", "", nil, func(ctx context.Context) Result { return aidboxReachable(ctx, d, w, vs) }},
		{"aidbox/version", "", []string{"aidbox/reachable"}, func(ctx context.Context) Result { return aidboxVersion(ctx, w, vs) }},
	}
}

func aidboxReachable(ctx context.Context, d *config.Delivery, w Dependencies, vs *values) Result {
	if w.Aidbox == nil {
		return vs.unknown(w.NoAidbox)
	}
	if err := w.Aidbox.Health(ctx); err != nil {
		return vs.unknown(err)
	}
	return Pass("Aidbox at %s is well", d.Aidbox.URL)
}

func aidboxVersion(ctx context.Context, w Dependencies, vs *values) Result {
	switch {
	case w.Admin == nil && w.NoAdmin != nil:
		return vs.unknown(w.NoAdmin)
	case w.Admin == nil:
		return noAdmin()
	}
	version, err := w.Admin.Version(ctx)
	if err != nil {
		return vs.unknown(err)
	}
	version = vs.clean.Line(version)
	release, _, _ := strings.Cut(version, ".") // 2602, or 2602.1
	n, err := strconv.Atoi(release)
	switch {
	case err != nil:
		return Warn("Aidbox says that it is version %s; whether that is %d or later is not known", version, oldestAidbox)
	case n < oldestAidbox:
		return Fail("Aidbox %s cannot read secrets from files: that came with %d", version, oldestAidbox).WithHint("set aidbox.image to a later one, and roll it out")
	}
	return Pass("Aidbox %s", version)
}
