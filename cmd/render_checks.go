package cmd

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/fhirclient"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/transport"
)

// release matches the version of a release.
var release = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z]+[.0-9]*)?$`)

// completeJob checks the schedule, and fills in what depends on this build and on global flags.
func (a *app) completeJob(job *render.Job) error {
	job.AllowHTTP = a.allowHTTP
	if !config.IsSchedule(job.Schedule) {
		return hint.Usage(config.ScheduleHint, "--schedule %q must be a cron schedule", job.Schedule)
	}
	if job.Image != "" {
		return nil
	}
	version := buildVersion().Version
	if !release.MatchString(version) {
		return hint.Usage("name one with --image", "secretctl %s is not a release, so it has no image", version)
	}
	job.Image = "secretctl/secretctl:" + strings.TrimPrefix(version, "v")
	return nil
}

// checkJob refuses a job that cannot succeed: one that would look for a server in its own
// pod, or refuse plain http. The rotate job reaches Aidbox through the API server.
func (a *app) checkJob(d *config.Delivery, o render.Options) error {
	type address struct{ what, url, hint string }
	var all []address
	if p := a.provider(d); p.Address(d) != "" {
		all = append(all, address{p.Name + ".csiAddress", p.Address(d), "set it to where pods reach " + p.Title})
	}
	if _, _, ok := d.Aidbox.Service(); !ok && o.Includes(render.GroupVerifyJob) {
		all = append(all, address{"aidbox.url", d.Aidbox.URL, "give --aidbox-url as pods reach Aidbox, or set aidbox.url to service"})
	}
	for _, at := range all {
		if err := transport.CheckAddress(at.what, at.url, a.allowHTTP); err != nil {
			return err
		}
		if transport.Loopback(at.url) {
			return hint.Usage(at.hint, "delivery %q: %s is this machine, and the job would look for it in its own pod", d.Name, at.what)
		}
	}
	return nil
}

// warnOfLiterals warns of each literal secret in the config that the manifests repeat.
func (a *app) warnOfLiterals(d *config.Delivery, o render.Options) {
	for _, e := range d.Aidbox.Env {
		if a.sanitizer.Repeats(e.Value) {
			a.narrate("warning: %saidbox.env: %s contains a literal secret, which the manifests repeat; use valueFrom or envFrom instead", a.of(d), e.Name)
		}
	}
	if !o.Includes(render.WithInitBundle) {
		return
	}
	for _, r := range d.Resources {
		if a.repeatsSecret(r.Body) {
			a.narrate("warning: %sthe body of %s/%s contains a literal secret, which the Init Bundle repeats; refer to one below secrets instead", a.of(d), r.Type, r.ID)
		}
	}
}

// checkLoopback refuses a SecretProviderClass with which the provider of the CSI driver
// would look for the store in its own pod.
func (a *app) checkLoopback(d *config.Delivery, objects []render.Object) error {
	if !slices.ContainsFunc(objects, func(o render.Object) bool { return o.Kind == "SecretProviderClass" }) {
		return nil
	}
	p := a.provider(d)
	for _, class := range p.Classes(d) {
		for _, parameter := range class.Parameters {
			if transport.Loopback(parameter.Value) {
				return hint.Usage(fmt.Sprintf("set %s.csiAddress to where pods reach %s, or pass --allow-loopback", p.Name, p.Title),
					"%s%s.csiAddress is %s, which is this machine: no pod reaches it there", a.of(d), p.Name, parameter.Value)
			}
		}
	}
	return nil
}

// withInitBundle adds the resources of a delivery to the options, if they are included.
func withInitBundle(d *config.Delivery, o render.Options) (render.Options, error) {
	if !o.Includes(render.WithInitBundle) {
		return o, nil
	}
	if len(d.Resources) == 0 {
		return o, hint.Usage("write them below resources, or leave --with "+render.WithInitBundle+" out", "delivery %q has no resources for an Init Bundle", d.Name)
	}
	var err error
	o.InitBundle, err = fhirclient.InitBundle(d)
	return o, err
}
