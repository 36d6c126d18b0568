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

// Run runs the selected checks, and those of other groups that they need. If ctx ends
// first, the remaining checks are unknown, and the error wraps ctx.Err() while the report
// stays usable.
func Run(ctx context.Context, d *config.Delivery, deps Dependencies, o Options) (DeliveryReport, error) {
	r := newRun(ctx, d, deps, o)
	defer r.stop()
	report := DeliveryReport{Name: d.Name, Checks: []Result{}}
	statuses := map[string]Status{}
	r.do(ctx, r.plan(ctx, o.Selected), statuses, &report)
	r.stop()
	if report.Timeline = r.rotation.times.of(r.rotation.secret.Name, r.rotation.Deadline); len(report.Timeline) > 0 {
		report.DeadlineMS = r.rotation.Deadline.Milliseconds()
	}
	mounts := slices.DeleteFunc(slices.Clone(o.Selected), func(name string) bool { return groupOf(name) != groupMount })
	if len(mounts) > 0 && r.replaceMounts(ctx) {
		other := func(tasks []task) bool { return tasks[0].Group() != groupMount } // they have run
		r.do(ctx, slices.DeleteFunc(r.plan(ctx, mounts), other), statuses, &report)
	}
	if ctx.Err() != nil && r.pods != nil && errors.Is(r.pods.err, ctx.Err()) { // before any check could say so
		return report, r.pods.err
	}
	return report, ctx.Err()
}

// task is a check of one subject.
type task struct {
	Check
	subject
	needs []string // keys of the tasks that must pass first
}

func (t task) key() string { return keyOf(t.ID, t.subject.name) }

func keyOf(id, subject string) string { return strings.TrimSpace(id + " " + subject) }

// do runs the tasks of each check, and adds their results to the report. statuses has the
// results so far, by key.
func (r *run) do(ctx context.Context, plan [][]task, statuses map[string]Status, report *DeliveryReport) {
	for _, tasks := range plan {
		for i, result := range r.results(ctx, tasks, statuses) {
			statuses[tasks[i].key()] = result.Status
			report.Checks = append(report.Checks, result)
		}
	}
}

// results runs the tasks of one check, in parallel if the check allows it.
func (r *run) results(ctx context.Context, tasks []task, statuses map[string]Status) []Result {
	results := make([]Result, len(tasks))
	var group errgroup.Group
	group.SetLimit(r.o.Parallel)
	for i, t := range tasks {
		r.progress(t.key(), 0)
		if i == 0 && t.prepare != nil {
			t.prepare(ctx, r)
		}
		do := func() error {
			results[i] = r.result(ctx, t, statuses)
			return nil
		}
		if t.parallel {
			group.Go(do)
		} else {
			_ = do()
		}
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
		result.NotRun = true
	case !blocked:
		if result = t.Check.run(ctx, r, t.subject); result.Status == StatusUnknown && ctx.Err() != nil && !strings.Contains(result.Detail, ended(ctx)) {
			result.Detail = ended(ctx) + ": " + result.Detail
		}
	}
	result.ID, result.Title, result.Doc = t.ID, t.Title, t.Doc()
	result.Subject, result.DurationMS = t.subject.name, time.Since(start).Milliseconds()
	return result
}

// blocked returns the result of a task if one that it needs did not pass.
func (t task) blocked(statuses map[string]Status) (Result, bool) {
	for _, need := range t.needs {
		what := strings.TrimSuffix(need, " "+t.subject.name)
		switch status := statuses[need]; {
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

// plan returns the tasks of the selected groups and checks, and those that they need, by
// check, in the order of the checks.
func (r *run) plan(ctx context.Context, selected []string) (plan [][]task) {
	subjects := map[string][]subject{} // by the check's ID
	subjectsOf := func(c Check) []subject {
		if _, known := subjects[c.ID]; !known {
			subjects[c.ID] = []subject{{}}
			if c.subjects != nil {
				subjects[c.ID] = c.subjects(ctx, r)
			}
		}
		return subjects[c.ID]
	}
	planned := map[string]task{} // by key
	var add func(c Check, s subject)
	add = func(c Check, s subject) {
		t := task{Check: c, subject: s}
		if _, known := planned[t.key()]; known {
			return
		}
		wants := slices.Concat(s.needs, c.Needs)
		if c.after != "" {
			wants = append(wants, c.after)
		}
		for _, wanted := range wants {
			id, name, named := strings.Cut(wanted, " ")
			needed := checks[slices.IndexFunc(checks, func(c Check) bool { return c.ID == id })]
			for _, other := range subjectsOf(needed) {
				if other.name == name || !named && other.name == s.name {
					add(needed, other)
					if id != c.after {
						t.needs = append(t.needs, keyOf(id, other.name))
					}
				}
			}
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
	for _, c := range checks {
		var tasks []task
		for _, s := range subjects[c.ID] {
			if t, ok := planned[keyOf(c.ID, s.name)]; ok {
				tasks = append(tasks, t)
			}
		}
		if len(tasks) > 0 {
			plan = append(plan, tasks)
		}
	}
	return plan
}
