package render

import (
	"path"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/store"
)

// Job says how the CronJob of the group [GroupVerifyJob] runs.
type Job struct {
	Image    string
	Schedule string // as cron has it
	// AdminSecret is "NAME/KEY" of the Kubernetes Secret that has the secret of
	// Aidbox's admin Client; "" leaves out the checks that need one.
	AdminSecret string
	AllowHTTP   bool // secretctl may use plain http to other hosts
}

// maxCronJobName is what Kubernetes allows, which adds to it for each Job.
const maxCronJobName = 52

const (
	jobConfigFile = "/etc/secretctl/secretctl.yaml"
	jobTokenFile  = "/var/run/secrets/secretctl/token"
)

// viewJob is what the templates of the job see.
type viewJob struct {
	Name      string // of the CronJob, the Role and the RoleBinding
	ConfigMap string // the object's name

	Config, ConfigKey, ConfigFolder string // the config without any value
	TokenKey, TokenFolder           string // the ServiceAccount's token for the store; "" where that takes none
	TokenAudience                   string

	Image, Schedule                 string
	Args                            []string
	Env                             []store.Parameter // whose values are no secret
	AdminSecretName, AdminSecretKey string
	ByAPI                           bool // Aidbox is reached through the API server
}

func (v *view) setJob(d *config.Delivery, o Job) error {
	text, err := d.WithinCluster()
	if err != nil {
		return err
	}
	_, _, byAPI := d.Aidbox.Service()
	j := viewJob{
		Name: d.Name + "-verify", ConfigMap: d.Name + "-verify-config",
		Config: string(text), ConfigKey: path.Base(jobConfigFile), ConfigFolder: path.Dir(jobConfigFile),
		Image: o.Image, Schedule: o.Schedule, ByAPI: byAPI,
		Args: []string{"verify", "mount"},
	}
	if o.AllowHTTP {
		j.Env = append(j.Env, store.Parameter{Name: "SECRETCTL_ALLOW_HTTP", Value: "true"})
	}
	if len(j.Name) > maxCronJobName {
		return refuse("give the delivery a shorter name", "the name %s is longer than the %d characters that a CronJob may have", j.Name, maxCronJobName)
	}
	login := v.provider.Job(d, jobTokenFile)
	j.Env = append(j.Env, login.Env...)
	if login.Token {
		j.TokenAudience, j.TokenKey, j.TokenFolder = login.Audience, path.Base(jobTokenFile), path.Dir(jobTokenFile)
	}
	if o.AdminSecret != "" {
		var ok bool
		if j.AdminSecretName, j.AdminSecretKey, ok = strings.Cut(o.AdminSecret, "/"); !ok || j.AdminSecretName == "" || j.AdminSecretKey == "" {
			return refuse("write it as NAME/KEY", "the Secret of the admin Client is not named as one")
		}
		j.Args = append(j.Args, "client")
	}
	j.Args = append(j.Args, "auth", "--target=local", "--timeout=5m", "--config="+jobConfigFile)
	j.Args = append(j.Args, login.Args...)
	v.Job = j
	return nil
}
