package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
)

// stuck says what is in the mounts that the new value did not reach, and the first
// thing that is wrong on its way.
func (r *rotation) stuck(ctx context.Context, late []*trail, have string) Result {
	var what []string
	for _, t := range late {
		what = append(what, t.name+": "+r.content(ctx, t.mount))
	}
	detail := fmt.Sprintf("%s, %s", strings.Join(what, "; "), r.sinceWrite())
	if have != "" {
		detail += "; in time: " + have
	}
	m := late[0].mount
	for _, look := range []func(context.Context, config.Secret) Result{m.Present, m.Status} {
		if hop := look(ctx, r.secret); hop.Status == StatusFail || hop.Status == StatusWarn {
			return Fail("%s", detail).WithHint("%s; %s", hop.Detail, hop.Hint)
		}
	}
	if m.Pod == nil {
		return Fail("%s", detail).WithHint(driverHint)
	}
	hop, next := r.firstHop(ctx, *m.Pod)
	for _, found := range append([]string{hop}, r.evidence(ctx, *m.Pod, r.written)...) {
		if found != "" {
			detail += "; " + found
		}
	}
	if next == "" {
		next = driverHint
	}
	return Fail("%s", detail).WithHint("%s", next)
}

// content says what a mount has in place of the new value.
func (r *rotation) content(ctx context.Context, m *Mount) string {
	got, err := m.Digest(ctx, r.secret)
	switch {
	case err != nil:
		return r.line(err.Error())
	case got == digest(r.old):
		return "still the old value"
	}
	return "another value"
}
