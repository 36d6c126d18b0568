package render

import (
	"path"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// Job is how the CronJobs of the groups [GroupVerifyJob] and [GroupRotateJob] run.
type Job struct {
	Image    string
	Schedule string // of the verify job, in cron's syntax
	// AdminSecret is "NAME/KEY" of the Kubernetes Secret with the secret of Aidbox's admin
	// Client; "" leaves out the checks of the verify job that need it.
	AdminSecret string
	AllowHTTP   bool // secretctl may use plain http to other hosts
}

// maxCronJobName is the limit of Kubernetes, which appends to the name for each Job.
const maxCronJobName = 52

const (
	jobConfigFile = "/etc/secretctl/secretctl.yaml"
	jobTokenFile  = "/var/run/secrets/secretctl/token"
)

// How long a run of the verify job may take, and how much later Kubernetes ends the pod of
// any job, which may wait for a volume that cannot be mounted.
const (
	verifyWithin = 5 * time.Minute
	endAfter     = 5 * time.Minute
)

// viewJob is what the templates of a job see.
type viewJob struct {
	Name           string // of the CronJob, the Role and the RoleBinding
	ConfigMap      string // the object's name
	ServiceAccount string // that it runs as
	Rotates        bool   // it is the rotate job, not the verify job

	Config, ConfigKey, ConfigFolder string // the config without any value
	TokenKey, TokenFolder           string // the ServiceAccount's token for the store; "" if that takes none
	TokenAudience                   string

	Image, Schedule                 string
	DeadlineSeconds                 int
	Args                            []string
	Env                             []store.Parameter // values that are not secret
	AdminSecretName, AdminSecretKey string
	ByAPI                           bool // Aidbox is behind the API server
}

// jobs returns the views for the templates of the two jobs, complete if o asks for them.
func (v *view) jobs(d *config.Delivery, o Options) (verifies, rotates *view, err error) {
	verifies, rotates = new(*v), new(*v)
	if o.Includes(GroupVerifyJob) {
		err = verifies.setVerifyJob(d, o.Job)
	}
	if err == nil && o.Includes(GroupRotateJob) {
		err = rotates.setRotateJob(d, o.Job)
	}
	return verifies, rotates, err
}

// setVerifyJob completes the view for the verify job.
func (v *view) setVerifyJob(d *config.Delivery, o Job) error {
	text, err := d.WithinCluster()
	if err != nil {
		return err
	}
	_, _, byAPI := d.Aidbox.Service()
	v.Job = viewJob{Name: d.Name + "-verify", ServiceAccount: d.Aidbox.ServiceAccount, Schedule: o.Schedule, ByAPI: byAPI, Args: []string{"verify", "mount"}}
	if o.AdminSecret != "" {
		var ok bool
		if v.Job.AdminSecretName, v.Job.AdminSecretKey, ok = strings.Cut(o.AdminSecret, "/"); !ok || v.Job.AdminSecretName == "" || v.Job.AdminSecretKey == "" {
			return hint.Usage("write it as NAME/KEY", "the Secret of the admin Client must be NAME/KEY")
		}
		v.Job.Args = append(v.Job.Args, "client")
	}
	v.Job.Args = append(v.Job.Args, "auth", "--target=local")
	return v.setJob(o, text, v.provider.Job(d, jobTokenFile), verifyWithin)
}

// setRotateJob completes the view for the rotate job, which connects to each pod.
func (v *view) setRotateJob(d *config.Delivery, o Job) error {
	if d.RotateJob == nil {
		return hint.Usage("write rotateJob: {secrets: [NAME]}, or render the other deliveries with --delivery", "delivery %q has no rotateJob", d.Name)
	}
	text, err := d.WithinRotateJob()
	if err != nil {
		return err
	}
	v.Service, v.ClusterRole = "", d.Namespace+"-"+d.RotateJobName()
	v.Job = viewJob{Name: d.RotateJobName(), ServiceAccount: d.RotateAccount(), Rotates: true, Schedule: d.RotateJob.Schedule, ByAPI: true}
	v.Job.Args = append(append([]string{"rotate", "--due"}, d.RotateJob.Secrets...), "--target=pod")
	return v.setJob(o, text, v.provider.RotateJob(d, jobTokenFile), d.RotateWithin())
}

// setJob adds what both jobs have. within is how long a run may take.
func (v *view) setJob(o Job, text []byte, login store.Job, within time.Duration) error {
	j := &v.Job
	if len(j.Name) > maxCronJobName {
		return hint.Usage("give the delivery a shorter name", "the name %s is longer than the %d characters that a CronJob may have", j.Name, maxCronJobName)
	}
	if len(text) > config.MaxConfigMap {
		return hint.Usage("split the delivery: several documents, each with its own name",
			"the config of the job %s is more than the 1 MiB that a ConfigMap can hold", j.Name)
	}
	j.ConfigMap, j.Image, j.DeadlineSeconds = j.Name+"-config", o.Image, int((within + endAfter).Seconds())
	j.Config, j.ConfigKey, j.ConfigFolder = string(text), path.Base(jobConfigFile), path.Dir(jobConfigFile)
	if o.AllowHTTP {
		j.Env = append(j.Env, store.Parameter{Name: "SECRETCTL_ALLOW_HTTP", Value: "true"})
	}
	j.Env = append(j.Env, login.Env...)
	if login.Token {
		j.TokenAudience, j.TokenKey, j.TokenFolder = login.Audience, path.Base(jobTokenFile), path.Dir(jobTokenFile)
	}
	j.Args = append(j.Args, "--timeout="+strings.TrimSuffix(within.String(), "0s"), "--config="+jobConfigFile)
	j.Args = append(j.Args, login.Args...)
	return nil
}

const clusterRoleTemplate = "rbac-clusterrole.yaml.tmpl"

// jobManifests returns the objects of a job.
func jobManifests(group string, v *view) (all []manifest) {
	if v.Job.Rotates {
		all = append(
			all,
			manifest{group, "v1", "ServiceAccount", v.Job.ServiceAccount, "job-serviceaccount.yaml.tmpl", &corev1.ServiceAccount{}, v},
			manifest{group, rbacAPI, "ClusterRole", v.ClusterRole, clusterRoleTemplate, &rbacv1.ClusterRole{}, v},
			manifest{group, rbacAPI, "ClusterRoleBinding", v.ClusterRole, "job-clusterrolebinding.yaml.tmpl", &rbacv1.ClusterRoleBinding{}, v},
		)
	}
	if v.Job.ByAPI {
		all = append(
			all,
			manifest{group, rbacAPI, "Role", v.Job.Name, "job-role.yaml.tmpl", &rbacv1.Role{}, v},
			manifest{group, rbacAPI, "RoleBinding", v.Job.Name, "job-rolebinding.yaml.tmpl", &rbacv1.RoleBinding{}, v},
		)
	}
	return append(
		all,
		manifest{group, "v1", "ConfigMap", v.Job.ConfigMap, "job-configmap.yaml.tmpl", &corev1.ConfigMap{}, v},
		manifest{group, "batch/v1", "CronJob", v.Job.Name, "job-cronjob.yaml.tmpl", &batchv1.CronJob{}, v},
	)
}
