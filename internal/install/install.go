// Package install puts the Secrets Store CSI driver and the providers into a
// cluster, through the helm that is installed on this machine. It upgrades what
// lacks something that secretctl needs, keeps what others have set, never goes
// back to an older version, and never uninstalls. helm gets no secret: neither as
// an argument nor in its environment.
package install

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

const (
	pollEvery = 2 * time.Second // while pods start
	failed    = "failed"        // as helm calls it
)

// Steps returns what installs the releases. They remember what they read: they
// are for one [provision.Run].
func (h *Helm) Steps(releases []Release) []store.Step {
	c := &cluster{helm: h}
	var steps []store.Step
	for _, r := range releases {
		c.charts = append(c.charts, r.Name)
		s := &step{cluster: c, want: r}
		steps = append(steps, store.Step{Name: r.phase, Diff: s.diff, Apply: s.apply})
	}
	return steps
}

// step installs one release.
type step struct {
	cluster *cluster
	want    Release
	change  store.Change
	name    string   // of the release as it is called in the cluster
	space   string   // its namespace
	args    []string // what helm is run with
}

func (s *step) diff(ctx context.Context) ([]store.Change, error) {
	found, err := s.pick(ctx)
	if err == nil {
		err = s.plan(ctx, found)
	}
	if err != nil {
		return nil, err
	}
	return []store.Change{s.change}, nil
}

// pick returns the release that does the job or is to do it, nil where a new one
// is needed.
func (s *step) pick(ctx context.Context) (*live, error) {
	all, err := s.cluster.releases(ctx)
	if err != nil {
		return nil, err
	}
	var others []*live
	for _, l := range all {
		here := l.Name == s.want.Chart.Release && l.Namespace == s.want.Namespace
		switch {
		case l.chart == s.want.Name && here:
			return l, nil
		case l.chart == s.want.Name:
			others = append(others, l)
		case here:
			return nil, hint.Wrap(fmt.Errorf("%s: is of the chart %s", s.want, l.chart), "uninstall or rename it")
		}
	}
	for _, l := range others {
		broken, err := s.broken(ctx, l)
		if err != nil {
			return nil, err
		}
		if broken == "" || s.want.Alone {
			return l, nil
		}
	}
	return nil, nil
}

// broken names what does not hold of a release and cannot be made to.
func (s *step) broken(ctx context.Context, l *live) (string, error) {
	values, err := s.cluster.values(ctx, l)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(s.want.Needs, func(f store.Parameter) bool { return !values.holds(f) })
	if i < 0 {
		return "", nil
	}
	return values.describe(s.want.Needs[i].Name), nil
}

func (s *step) plan(ctx context.Context, found *live) error {
	s.name, s.space = s.want.Chart.Release, s.want.Namespace
	s.change = store.Change{Phase: s.want.phase, Action: store.Create, Detail: s.want.Name + " " + s.want.Version}
	s.args = s.want.createArgs()
	if found != nil {
		s.name, s.space = found.Name, found.Namespace
		if err := s.planExisting(ctx, found); err != nil {
			return err
		}
	}
	s.change.Object = s.space + "/" + s.name
	return nil
}

func (s *step) planExisting(ctx context.Context, found *live) error {
	if strings.HasPrefix(found.Status, "pending-") {
		return hint.Wrap(fmt.Errorf("%s: is %s: helm is at work on it, or was killed", found, found.Status),
			"if nobody is at work on it: helm rollback %s --namespace %s, or helm uninstall where there is nothing to go back to", found.Name, found.Namespace)
	}
	broken, err := s.broken(ctx, found)
	if err != nil {
		return err
	}
	if broken != "" {
		return hint.Wrap(fmt.Errorf("%s: %s", found, broken), "%s", s.want.NeedsHint)
	}
	values, err := s.cluster.values(ctx, found)
	if err != nil {
		return err
	}
	target, why := s.version(found)
	for _, n := range s.want.need {
		if !values.holds(n) {
			why = append(why, assign(n))
		}
	}
	requests := values.withAudiences(s.want.audiences)
	if len(requests) > 0 {
		why = append(why, "tokens for "+strings.Join(s.want.audiences, " and "))
	}
	if found.Status == failed && s.ours(values) {
		why = append(why, "its last operation failed")
	}
	if len(why) == 0 {
		s.change.Action, s.change.Detail = store.Unchanged, s.want.Name+" "+target
		s.change.Warning, err = s.warning(ctx, found)
		return err
	}
	s.change.Action, s.change.Detail = store.Update, strings.Join(why, ", ")
	s.args = append(s.want.upgrade(found.Name, found.Namespace, target), "--reset-then-reuse-values")
	s.args = append(s.args, setArgs(slices.Concat(s.want.need, s.want.Needs), requests)...)
	return nil
}

// ours says whether to try again where an operation failed: a Vault may be
// somebody else's.
func (s *step) ours(v values) bool {
	return !s.want.KeepVersion || !slices.ContainsFunc(s.want.Fresh, func(f store.Parameter) bool { return !v.holds(f) })
}

// version returns the version that the release is to have, and why it has to be
// upgraded if it has.
func (s *step) version(found *live) (string, []string) {
	if s.want.KeepVersion || !found.version.LessThan(version.MustParseSemantic(s.want.Version)) {
		return found.version.String(), nil
	}
	return s.want.Version, []string{found.version.String() + " -> " + s.want.Version}
}

// warning says what deserves a look in a release that is as it has to be.
func (s *step) warning(ctx context.Context, found *live) (string, error) {
	waiting, err := s.cluster.notReady(ctx, found.Name, found.Namespace)
	switch {
	case err != nil:
		return "", err
	case found.Status == failed:
		return "its last operation failed", nil
	case waiting != "":
		return waiting, nil
	case !s.want.KeepVersion && version.MustParseSemantic(s.want.Version).LessThan(found.version):
		return "newer than " + s.want.Version + ", with which secretctl was tested", nil
	}
	return "", nil
}

func (s *step) apply(ctx context.Context) ([]store.Change, error) {
	what := fmt.Sprintf("release %q in namespace %q", s.name, s.space)
	h := s.cluster.helm
	if h.Waiting != nil {
		h.Waiting(what)
	}
	if _, err := h.run(ctx, what, h.waiting(s.args)...); err != nil {
		return nil, err
	}
	return []store.Change{s.change}, s.wait(ctx, what)
}

// wait returns when every pod of the release's DaemonSets is ready. helm 3 with
// --wait is content when all but one of them are: with none, on a single node.
func (s *step) wait(ctx context.Context, what string) error {
	for {
		waiting, err := s.cluster.notReady(ctx, s.name, s.space)
		if err != nil || waiting == "" {
			return err
		}
		if err := transport.Sleep(ctx, cmp.Or(s.cluster.helm.poll, pollEvery)); err != nil {
			return fmt.Errorf("%s: %s: %w", what, waiting, err)
		}
	}
}
