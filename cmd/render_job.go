package cmd

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/render"
	"github.com/secretctl/secretctl/internal/transport"
)

// release matches the version of a release, and not of a build in between.
var release = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z]+[.0-9]*)?$`)

func addJobFlags(cmd *cobra.Command, job *render.Job) {
	f := cmd.Flags()
	f.StringVar(&job.Image, "image", "", "verify-job, rotate-job: the image of secretctl (default: secretctl/secretctl of this version)")
	f.StringVar(&job.Schedule, "schedule", "*/15 * * * *", "verify-job: when it runs, as cron has it")
	f.StringVar(&job.AdminSecret, "admin-secret", "", "verify-job: the Kubernetes Secret with the admin Client's secret, as NAME/KEY; adds the checks of the group client")
}

// completeJob fills in what depends on this build and the settings.
func (a *app) completeJob(job *render.Job) error {
	job.AllowHTTP = a.allowHTTP
	if job.Image != "" {
		return nil
	}
	version := buildVersion().Version
	if !release.MatchString(version) {
		return usagef("name one with --image", "secretctl %s is not a release, so it has no image", version)
	}
	job.Image = "secretctl/secretctl:" + strings.TrimPrefix(version, "v")
	return nil
}

// checkJob refuses a job that could never succeed: one that looks for a server in its own
// pod, or that would refuse plain http. The rotate job reaches Aidbox by the API server.
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
			return usagef(at.hint, "delivery %q: %s is this machine, and the job would look for it in its own pod", d.Name, at.what)
		}
	}
	return nil
}
