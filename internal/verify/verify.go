// Package verify owns the checks: what each one proves, which others it needs, and how
// they run. It reaches the outside only through its [Dependencies] and prints nothing,
// and no result ever contains a secret value. Only the scope and rotation checks write,
// and they run only if they are named.
package verify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/secretctl/secretctl/internal/config"
)

// Run runs the checks of the named groups, and those of other groups that they
// need. If ctx ends first, the remaining checks are unknown, and the error wraps
// ctx.Err() while the report stays usable.
func Run(ctx context.Context, d *config.Delivery, deps Dependencies, o Options) (DeliveryReport, error) {
	r := newRun(d, deps, o)
	defer r.stop()
	report := DeliveryReport{Name: d.Name, Checks: []Result{}}
	statuses := map[string]Status{}
	r.do(ctx, r.plan(ctx, o.Selected), statuses, &report)
	r.stop()
	if report.Timeline = r.rotation.times.sorted(); len(report.Timeline) > 0 {
		report.DeadlineMS = r.rotation.Deadline.Milliseconds()
	}
	if slices.Contains(o.Selected, groupMount) && r.replaceMounts(ctx) {
		r.do(ctx, r.plan(ctx, []string{groupMount}), statuses, &report)
	}
	if err := ctx.Err(); err != nil {
		return report, err
	}
	return report, nil
}

// task is a check of one subject.
type task struct {
	Check
	subject
	needs []need
}

// need is a check that must pass before a task makes sense.
type need struct{ id, subject string }

func (t task) key() string { return t.ID + " " + t.subject.name }
func (n need) key() string { return n.id + " " + n.subject }

// do runs tasks in order, and those of a parallel check side by side. statuses has how
// those ended that have run.
func (r *run) do(ctx context.Context, tasks []task, statuses map[string]Status, report *DeliveryReport) {
	for len(tasks) > 0 {
		next := slices.IndexFunc(tasks, func(t task) bool { return t.ID != tasks[0].ID })
		if next < 0 {
			next = len(tasks)
		}
		for i, result := range r.results(ctx, tasks[:next], statuses) {
			statuses[tasks[i].key()] = result.Status
			report.Checks = append(report.Checks, result)
		}
		tasks = tasks[next:]
	}
}

// results runs the tasks of one check.
func (r *run) results(ctx context.Context, tasks []task, statuses map[string]Status) []Result {
	results := make([]Result, len(tasks))
	var group errgroup.Group
	group.SetLimit(r.o.Parallel)
	for i, t := range tasks {
		r.progress(strings.TrimSpace(t.key()), 0)
		if i == 0 && t.prepare != nil {
			t.prepare(ctx, r)
		}
		if !t.parallel {
			results[i] = r.result(ctx, t, statuses)
			continue
		}
		group.Go(func() error {
			results[i] = r.result(ctx, t, statuses)
			return nil
		})
	}
	_ = group.Wait() // the errors are in the results
	return results
}

func (r *run) result(ctx context.Context, t task, statuses map[string]Status) Result {
	start := time.Now()
	result, blocked := t.blocked(statuses)
	switch {
	case ctx.Err() != nil:
		result = Unknown("%s before running", ended(ctx))
	case !blocked:
		if result = t.Check.run(ctx, r, t.subject); result.Status == StatusUnknown && ctx.Err() != nil && !strings.Contains(result.Detail, ended(ctx)) {
			result.Detail = ended(ctx) + ": " + result.Detail
		}
	}
	result.ID, result.Title, result.Doc = t.ID, t.Title, t.Doc()
	result.Subject, result.Duration = t.subject.name, time.Since(start)
	return result
}

// blocked says which need stands in the way.
func (t task) blocked(statuses map[string]Status) (Result, bool) {
	for _, n := range t.needs {
		what := n.id
		if n.subject != "" && n.subject != t.subject.name {
			what += " " + n.subject
		}
		switch status := statuses[n.key()]; {
		case status == StatusPass, status == StatusWarn, status == StatusUnknown && t.evenUnknown:
		case status == StatusFail:
			return Skip("skipped: %s failed", what), true
		case status == StatusSkip:
			return Skip("skipped: %s was skipped", what), true
		default:
			return Skip("skipped: %s is unknown", what), true
		}
	}
	return Result{}, false
}

func ended(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "timed out"
	}
	return "interrupted"
}

// plan returns the tasks of groups and single checks, and those that they need, in the order of
// the checks.
func (r *run) plan(ctx context.Context, selected []string) []task {
	subjects := map[string][]subject{} // by ID, of the checks that were asked
	subjectsOf := func(c Check) []subject {
		if _, asked := subjects[c.ID]; !asked && c.subjects != nil {
			subjects[c.ID] = c.subjects(ctx, r)
		} else if !asked {
			subjects[c.ID] = []subject{{}}
		}
		return subjects[c.ID]
	}
	planned := map[string]task{}
	var add func(c Check, s subject)
	add = func(c Check, s subject) {
		t := task{Check: c, subject: s}
		if _, known := planned[t.key()]; known {
			return
		}
		for _, wanted := range slices.Concat(c.Needs, s.needs) {
			id, name, named := strings.Cut(wanted, " ")
			needed := checks[slices.IndexFunc(checks, func(c Check) bool { return c.ID == id })]
			if !named && needed.subjects != nil {
				name = s.name
			}
			for _, other := range subjectsOf(needed) {
				if other.name == name {
					add(needed, other)
				}
			}
			t.needs = append(t.needs, need{id, name})
		}
		planned[t.key()] = t
	}
	for _, c := range checks {
		if slices.Contains(selected, c.Group()) || slices.Contains(selected, c.ID) {
			for _, s := range subjectsOf(c) {
				add(c, s)
			}
		}
	}
	var tasks []task
	for _, c := range checks {
		for _, s := range subjects[c.ID] {
			if t, ok := planned[c.ID+" "+s.name]; ok {
				tasks = append(tasks, t)
			}
		}
	}
	return tasks
}
