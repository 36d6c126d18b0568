// Package install puts the Secrets Store CSI driver and the providers into a cluster with
// the helm on this machine. It upgrades a release that lacks a setting that secretctl
// needs, keeps what others have set, never installs an older version, and never
// uninstalls. helm gets no secret, neither as an argument nor in its environment.
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
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/transport"
)

const (
	pollEvery = 2 * time.Second // while pods start
	failed    = "failed"        // a status of helm
)

// Steps returns the steps that install the releases. They remember what they read, so they
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
	release *live    // as it is, or will be, called in the cluster
	args    []string // for helm
}

func (s *step) diff(ctx context.Context) ([]store.Change, error) {
	all, err := s.cluster.releases(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.pick(all)
	if err != nil {
		return nil, err
	}
	s.change = store.Change{Phase: s.want.phase, Action: store.Create, Detail: s.want.Name + " " + s.want.Version}
	s.args = s.want.createArgs()
	s.release = found
	if found == nil {
		s.release = &live{Name: s.want.Chart.Release, Namespace: s.want.Namespace}
	} else if err := s.planExisting(ctx); err != nil {
		return nil, err
	}
	s.change.Object = s.release.Namespace + "/" + s.release.Name
	return []store.Change{s.change}, nil
}

// pick returns the release to keep or upgrade: the one with the name of a new release, or
// another of the same chart that has what it needs. It returns nil if a new one is needed.
func (s *step) pick(all []*live) (found *live, err error) {
	for _, l := range all {
		here := l.Name == s.want.Chart.Release && l.Namespace == s.want.Namespace
		switch {
		case here && l.chart != s.want.Name:
			return nil, hint.Wrap(fmt.Errorf("%s: is of the chart %s", l, l.chart), "uninstall or rename it")
		case here:
			return l, nil
		case l.chart == s.want.Name && found == nil && (s.want.Alone || l.values.lacking(s.want.Needs) == ""):
			found = l
		}
	}
	return found, nil
}

func (s *step) planExisting(ctx context.Context) error {
	found := s.release
	if strings.HasPrefix(found.Status, "pending-") {
		return hint.Wrap(fmt.Errorf("%s: is %s: helm is at work on it, or was killed", found, found.Status),
			"%s", secret.Shellf("if nobody is at work on it: helm rollback %s --namespace %s, or helm uninstall if there is no earlier revision", found.Name, found.Namespace))
	}
	if lacking := found.values.lacking(s.want.Needs); lacking != "" {
		return hint.Wrap(fmt.Errorf("%s: %s", found, lacking), "%s", s.want.NeedsHint)
	}
	target, older := found.version.String(), false
	if !s.want.KeepVersion && found.version.LessThan(version.MustParseSemantic(s.want.Version)) {
		target, older = s.want.Version, true
	}
	var why []string
	if older {
		why = append(why, found.version.String()+" -> "+target)
	}
	for _, n := range s.want.need {
		if !found.values.holds(n) {
			why = append(why, assign(n))
		}
	}
	requests := found.values.withAudiences(s.want.audiences)
	if len(requests) > 0 {
		why = append(why, "tokens for "+strings.Join(s.want.audiences, " and "))
	}
	// A Vault that failed may belong to somebody else.
	if found.Status == failed && (!s.want.KeepVersion || found.values.lacking(s.want.Fresh) == "") {
		why = append(why, "its last operation failed")
	}
	if len(why) == 0 {
		var err error
		s.change.Action, s.change.Detail = store.Unchanged, s.want.Name+" "+target
		s.change.Warning, err = s.warning(ctx)
		return err
	}
	s.change.Action, s.change.Detail = store.Update, strings.Join(why, ", ")
	s.args = append(s.want.upgrade(found.Name, found.Namespace, target), "--reset-then-reuse-values")
	s.args = append(s.args, setArgs(slices.Concat(s.want.need, s.want.Needs), requests)...)
	return nil
}

// warning describes a problem of a release that needs no change.
func (s *step) warning(ctx context.Context) (string, error) {
	waiting, err := s.cluster.notReady(ctx, s.release)
	switch {
	case err != nil:
		return "", err
	case s.release.Status == failed:
		return "its last operation failed", nil
	case waiting != "":
		return waiting, nil
	case !s.want.KeepVersion && version.MustParseSemantic(s.want.Version).LessThan(s.release.version):
		return "newer than " + s.want.Version + ", with which secretctl was tested", nil
	}
	return "", nil
}

// apply returns when every pod of the release's DaemonSets is ready. helm 3 with --wait
// accepts all but one: on a single node, none.
func (s *step) apply(ctx context.Context) ([]store.Change, error) {
	h, what := s.cluster.helm, s.release.String()
	if h.Waiting != nil {
		h.Waiting(what)
	}
	if _, err := h.run(ctx, what, h.waiting(s.args)...); err != nil {
		return nil, err
	}
	for {
		waiting, err := s.cluster.notReady(ctx, s.release)
		if err != nil || waiting == "" {
			return []store.Change{s.change}, err
		}
		if err := transport.Sleep(ctx, cmp.Or(h.poll, pollEvery)); err != nil {
			return []store.Change{s.change}, fmt.Errorf("%s: %s: %w", what, waiting, err)
		}
	}
}
