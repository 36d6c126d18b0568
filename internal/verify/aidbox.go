package verify

import (
	"context"
	"strconv"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
)

// oldestAidbox is the first version that reads secrets from files.
const oldestAidbox = 2602

var aidboxChecks = []Check{
	{
		ID: "aidbox/reachable", Title: "Aidbox is reachable",
		subjects: func(_ context.Context, r *run) []subject { return []subject{{needs: r.toAidbox()}} },
		run:      aidboxReachable,
	},
	{
		ID: "aidbox/version", Title: "Aidbox is new enough",
		Needs: []string{"aidbox/reachable"},
		run:   aidboxNewEnough,
	},
	{
		ID: "aidbox/scope-format", Title: "Aidbox reads the dialect of the vault config",
		Needs: []string{"aidbox/version"},
		run:   aidboxReadsDialect,
	},
}

func aidboxReachable(ctx context.Context, r *run, _ subject) Result {
	if err := r.Aidbox.Health(ctx); err != nil {
		return r.unknown(err)
	}
	return Pass("Aidbox at %s is healthy", r.d.Aidbox.URL)
}

func aidboxNewEnough(ctx context.Context, r *run, _ subject) Result {
	if r.Admin == nil {
		return r.noAdmin()
	}
	version, release, err := aidboxVersion(ctx, r)
	switch {
	case err != nil:
		return r.unknown(err)
	case release == 0:
		return Warn("Aidbox reports version %s; secretctl cannot tell whether that is %d or later", version, oldestAidbox)
	case release < oldestAidbox:
		return Fail("Aidbox %s cannot read secrets from files: this needs %d or later", version, oldestAidbox).WithHint("set aidbox.image to a later version, and deploy it")
	}
	return Pass("Aidbox %s", version)
}

// aidboxVersion returns the version that Aidbox reports, and the release in it: 2602 of
// 2602.1, 0 if there is none.
func aidboxVersion(ctx context.Context, r *run) (version string, release int, err error) {
	version, err = r.Admin.Version(ctx)
	version = r.line(version)
	number, _, _ := strings.Cut(version, ".")
	release, _ = strconv.Atoi(number)
	return version, release, err
}

// aidboxReadsDialect compares the dialect with the one that is documented for the
// running version. Whether a version reads the other one too is not documented.
func aidboxReadsDialect(ctx context.Context, r *run, _ subject) Result {
	version, release, err := aidboxVersion(ctx, r)
	format := r.d.Aidbox.ScopeFormat
	switch {
	case err != nil:
		return r.unknown(err)
	case release == 0:
		return Warn("aidbox.scopeFormat is %s; secretctl cannot tell whether Aidbox %s reads that", format, version)
	}
	if documented := config.ScopeFormatOf("aidbox:" + strconv.Itoa(release)); format != documented {
		return Warn("aidbox.scopeFormat is %s, and Aidbox %s is documented to read %s", format, version, documented).
			WithHint("set aidbox.scopeFormat: %s, then apply what secretctl render writes", documented)
	}
	return Pass("Aidbox %s reads aidbox.scopeFormat %s", version, format)
}
