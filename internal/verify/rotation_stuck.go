package verify

import (
	"context"
	"fmt"
	"strings"
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
	m.looks.forget()
	for _, look := range []func(context.Context, *run, subject) Result{filePresent, fileStatus} {
		if hop := look(ctx, r.run, subject{secret: r.secret, mount: m}); hop.Status == StatusFail || hop.Status == StatusWarn {
			return Fail("%s", detail).WithHint("%s; %s", hop.Detail, hop.Hint)
		}
	}
	if m.pod == nil {
		return Fail("%s", detail).WithHint(driverHint)
	}
	hop, next := r.firstHop(ctx, *m.pod)
	for _, found := range append([]string{hop}, r.evidence(ctx, *m.pod, r.written)...) {
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
func (r *rotation) content(ctx context.Context, m *mount) string {
	got, err := m.digestNow(ctx, r.secret)
	switch {
	case err != nil:
		return r.line(err.Error())
	case got == digest(r.old):
		return "still the old value"
	}
	return "another value"
}
