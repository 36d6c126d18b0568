package render

import (
	"path"
	"strings"

	"github.com/secretctl/secretctl/internal/config"
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

	workloadAudience = "api://AzureADTokenExchange"
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
	Env                             []jobVariable
	AdminSecretName, AdminSecretKey string
	ByAPI                           bool // Aidbox is reached through the API server
}

// jobVariable is an environment variable whose value is no secret.
type jobVariable struct{ Name, Value string }

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
		j.Env = append(j.Env, jobVariable{"SECRETCTL_ALLOW_HTTP", "true"})
	}
	if len(j.Name) > maxCronJobName {
		return refuse("give the delivery a shorter name", "the name %s is longer than the %d characters that a CronJob may have", j.Name, maxCronJobName)
	}
	j.logIn(d)
	if o.AdminSecret != "" {
		var ok bool
		if j.AdminSecretName, j.AdminSecretKey, ok = strings.Cut(o.AdminSecret, "/"); !ok || j.AdminSecretName == "" || j.AdminSecretKey == "" {
			return refuse("write it as NAME/KEY", "the Secret of the admin Client is not named as one")
		}
		j.Args = append(j.Args, "client")
	}
	j.Args = append(j.Args, "auth", "--target=local", "--timeout=5m", "--config="+jobConfigFile)
	if d.Provider == config.ProviderVault {
		j.Args = append(j.Args, "--vault-jwt-file="+jobTokenFile)
	}
	v.Job = j
	return nil
}

// logIn has the job log in to the store as the provider does for the pod: with a
// token of the ServiceAccount, or as the identity of the node.
func (j *viewJob) logIn(d *config.Delivery) {
	if d.Provider == config.ProviderVault {
		j.TokenAudience = d.Vault.Audience
	} else {
		j.Env = append(j.Env, jobVariable{"AZURE_TOKEN_CREDENTIALS", "prod"}) // which leaves out what a person logs in with
		if id := d.Azure.Identity.ClientID; id != "" {
			j.Env = append(j.Env, jobVariable{"AZURE_CLIENT_ID", id})
		}
		if d.Azure.Identity.Type != config.IdentityWorkload {
			return
		}
		j.TokenAudience = workloadAudience
		j.Env = append(j.Env, jobVariable{"AZURE_TENANT_ID", d.Azure.TenantID}, jobVariable{"AZURE_FEDERATED_TOKEN_FILE", jobTokenFile})
	}
	j.TokenKey, j.TokenFolder = path.Base(jobTokenFile), path.Dir(jobTokenFile)
}
