package render

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

const jobContainer = "secretctl"

// checkRules refuses what would grant more than anything here is for.
func checkRules(rules []rbacv1.PolicyRule) error {
	if len(rules) == 0 {
		return errors.New("has no rules")
	}
	for i, r := range rules {
		switch {
		case slices.Contains(slices.Concat(r.Verbs, r.Resources, r.APIGroups, r.NonResourceURLs), "*"):
			return fmt.Errorf("rule %d has a *, which grants more than secretctl needs", i)
		case slices.Contains(r.Resources, "secrets"):
			return fmt.Errorf("rule %d is about Secrets, which secretctl does not read", i)
		case len(r.Verbs) == 0 || len(r.Resources) == 0:
			return fmt.Errorf("rule %d grants nothing", i)
		}
	}
	return nil
}

func (v *view) checkBinding(subjects []rbacv1.Subject, is, want rbacv1.RoleRef) error {
	account := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: v.Job.ServiceAccount, Namespace: v.Namespace}
	if !slices.Equal(subjects, []rbacv1.Subject{account}) {
		return fmt.Errorf("its subject is not the ServiceAccount %.80q alone", v.Job.ServiceAccount)
	}
	return cmp.Or(
		differs("roleRef.kind", is.Kind, want.Kind),
		differs("roleRef.name", is.Name, want.Name),
		differs("roleRef.apiGroup", is.APIGroup, want.APIGroup),
	)
}

func (v *view) checkCronJob(o *batchv1.CronJob) error {
	job := o.Spec.JobTemplate.Spec
	pod := job.Template
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == jobContainer })
	if i < 0 {
		return fmt.Errorf("has no container named %s", jobContainer)
	}
	container := pod.Spec.Containers[i]
	if job.ActiveDeadlineSeconds == nil {
		return errors.New("activeDeadlineSeconds is missing: a volume that cannot be mounted would be waited for without end")
	}
	if !slices.Equal(container.Args, v.Job.Args) {
		return fmt.Errorf("args of the container are not %.200q", v.Job.Args)
	}
	return cmp.Or(
		differs("schedule", o.Spec.Schedule, v.Job.Schedule),
		differs("concurrencyPolicy", string(o.Spec.ConcurrencyPolicy), string(batchv1.ForbidConcurrent)),
		differs("restartPolicy", string(pod.Spec.RestartPolicy), string(corev1.RestartPolicyNever)),
		differs("serviceAccountName", pod.Spec.ServiceAccountName, v.Job.ServiceAccount),
		differs("image", container.Image, v.Job.Image),
		notSelected(pod.Labels),
		v.checkJobEnv(container.Env),
		v.checkAdmin(container.Env),
		checkMounts(container.VolumeMounts, pod.Spec.Volumes, v.jobMounts()),
	)
}

func (v *view) jobMounts() []wantedMount {
	wanted := []wantedMount{{v.Job.ConfigFolder, "ConfigMap " + v.Job.ConfigMap, isConfigMap(v.Job.ConfigMap)}}
	if !v.Job.Rotates {
		wanted = append(wanted, v.aidboxMounts()...)
	}
	if v.Job.TokenKey != "" {
		wanted = append(wanted, wantedMount{v.Job.TokenFolder, "a token for the store", v.isToken})
	}
	return wanted
}

func (v *view) isToken(o corev1.Volume) bool {
	return o.Projected != nil && slices.ContainsFunc(o.Projected.Sources, func(s corev1.VolumeProjection) bool {
		token := s.ServiceAccountToken
		return token != nil && token.Path == v.Job.TokenKey && token.Audience == v.Job.TokenAudience
	})
}

func (v *view) checkJobEnv(env []corev1.EnvVar) error {
	for _, wanted := range v.Job.Env {
		if !slices.Contains(env, corev1.EnvVar{Name: wanted.Name, Value: wanted.Value}) {
			return fmt.Errorf("env %s is not %.80q", wanted.Name, wanted.Value)
		}
	}
	return nil
}

// checkAdmin wants the admin Client's secret from a Secret, and never written out.
func (v *view) checkAdmin(env []corev1.EnvVar) error {
	const name = "AIDBOX_CLIENT_SECRET"
	i := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
	switch {
	case i < 0 && v.Job.AdminSecretName == "":
		return nil
	case i < 0:
		return fmt.Errorf("env %s is missing", name)
	}
	from := env[i].ValueFrom
	if from == nil || from.SecretKeyRef == nil || from.SecretKeyRef.Name != v.Job.AdminSecretName || from.SecretKeyRef.Key != v.Job.AdminSecretKey {
		return fmt.Errorf("env %s is not from the Secret that was named", name)
	}
	return nil
}

// notSelected refuses labels by which a Deployment or a Service would take the
// job's pod for one of Aidbox.
func notSelected(labels map[string]string) error {
	if labels["app.kubernetes.io/name"] == "aidbox" {
		return errors.New("the pod's label app.kubernetes.io/name is that of Aidbox's pods")
	}
	return nil
}
