package config

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/secretctl/secretctl/internal/secret"
)

// RotateJob is the CronJob that rotates secrets.
type RotateJob struct {
	Secrets  []string `json:"secrets"`
	Schedule string   `json:"schedule,omitempty"` // as cron has it
	ClientID string   `json:"clientID,omitempty"` // with Key Vault: of the job's managed identity
}

// rotateSuffix ends the names of what belongs to the job. Aidbox's pod has other rights: it
// must not write what it reads.
const rotateSuffix = "-rotate"

// Rotated returns the secrets that the rotate job rotates.
func (d *Delivery) Rotated() []Secret {
	if d.RotateJob == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.Secrets), func(s Secret) bool { return !slices.Contains(d.RotateJob.Secrets, s.Name) })
}

// RotateJobName returns the name of the rotate job.
func (d *Delivery) RotateJobName() string { return d.Name + rotateSuffix }

// RotateAccount returns the ServiceAccount that the rotate job runs as.
func (d *Delivery) RotateAccount() string { return d.Aidbox.ServiceAccount + rotateSuffix }

// rotateOne is how long the rotation of a secret may take, with a driver that polls every
// seven minutes.
const rotateOne = 10 * time.Minute

// RotateWithin returns how long a run of the rotate job may take. It rotates one secret
// after the other.
func (d *Delivery) RotateWithin() time.Duration { return rotateOne * time.Duration(len(d.Rotated())) }

func (d *Delivery) setRotateJobDefaults() {
	if d.RotateJob != nil {
		d.RotateJob.Schedule = cmp.Or(d.RotateJob.Schedule, "17 3 * * *")
	}
}

var schedule = matching(IsSchedule, "must be a cron schedule", ScheduleHint)

// ScheduleHint says what a schedule is.
const ScheduleHint = `use five fields, such as "17 3 * * *" (Sunday is 0, not 7), or @daily`

// IsSchedule reports whether the API server accepts a schedule. It uses the same parser, and
// refuses a time zone in it.
func IsSchedule(text string) bool {
	if strings.Contains(text, "TZ") {
		return false
	}
	_, err := cron.ParseStandard(text)
	return err == nil
}

func (doc *document) validateRotateJob() {
	d, at := doc.delivery, doc.root.key("rotateJob")
	if d.RotateJob == nil {
		return
	}
	at.key("schedule").check(d.RotateJob.Schedule, schedule)
	if id := at.key("clientID"); id.node != nil && d.Provider != ProviderAzure {
		id.report("is not for this provider", "remove it: it is only for provider "+ProviderAzure)
	} else {
		id.check(d.RotateJob.ClientID, uuid)
	}
	if len(d.RotateJob.Secrets) == 0 {
		at.key("secrets").report("is empty", "name the secrets that the job rotates")
	}
	seen := map[string]int{}
	for i, name := range d.RotateJob.Secrets {
		item := at.key("secrets").item(i)
		s, known := d.Secret(name)
		switch {
		case !known:
			item.report("names no secret of this delivery", cmp.Or(doc.similarSecret(name), "available: "+strings.Join(d.secretNames(), ", ")))
		case first(seen, name, i) < i:
			item.report("is already listed", "remove one")
		case s.Value.Generate == nil:
			item.report("names a secret without generate, the only source of the job",
				secret.Shellf("give it value: {generate: {}}, or rotate it where its source is: secretctl rotate --due %s", name))
		}
	}
}

func (d *Delivery) secretNames() (names []string) {
	for _, s := range d.Secrets {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}
