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

// checkRules refuses rights that secretctl does not need.
func checkRules(rules []rbacv1.PolicyRule) error {
	for i, r := range rules {
		switch {
		case slices.Contains(slices.Concat(r.Verbs, r.Resources, r.APIGroups, r.NonResourceURLs), "*"):
			return fmt.Errorf("rule %d has a *, which grants more than secretctl needs", i)
		case slices.Contains(r.Resources, "secrets"):
			return fmt.Errorf("rule %d is about Secrets, which secretctl does not read", i)
		}
	}
	return nil
}

func (v *view) checkBinding(subjects []rbacv1.Subject, role rbacv1.RoleRef, kind, name string) error {
	account := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: v.Job.ServiceAccount, Namespace: v.Namespace}
	if !slices.Equal(subjects, []rbacv1.Subject{account}) {
		return fmt.Errorf("its only subject must be the ServiceAccount %.80q", v.Job.ServiceAccount)
	}
	return cmp.Or(differs("roleRef.kind", role.Kind, kind), differs("roleRef.name", role.Name, name))
}

func (v *view) checkCronJob(o *batchv1.CronJob) error {
	job := o.Spec.JobTemplate.Spec
	pod := job.Template
	container, err := named("secretctl", pod)
	switch {
	case err != nil:
		return err
	case job.ActiveDeadlineSeconds == nil:
		return errors.New("activeDeadlineSeconds is missing: a pod would wait forever for a volume that cannot be mounted")
	case !slices.Equal(container.Args, v.Job.Args):
		return fmt.Errorf("args of the container must be %.200q", v.Job.Args)
	}
	return cmp.Or(
		differs("schedule", o.Spec.Schedule, v.Job.Schedule),
		differs("serviceAccountName", pod.Spec.ServiceAccountName, v.Job.ServiceAccount),
		differs("image", container.Image, v.Job.Image),
		checkEnv(container.Env, v.jobEnv()),
		checkMounts(container.VolumeMounts, pod.Spec.Volumes, v.jobMounts()),
	)
}

// jobEnv returns the variables that the job needs. The admin Client's secret comes from a Secret.
func (v *view) jobEnv() (env []corev1.EnvVar) {
	for _, e := range v.Job.Env {
		env = append(env, corev1.EnvVar{Name: e.Name, Value: e.Value})
	}
	if v.Job.AdminSecretName != "" {
		env = append(env, corev1.EnvVar{Name: "AIDBOX_CLIENT_SECRET", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: v.Job.AdminSecretName}, Key: v.Job.AdminSecretKey,
		}}})
	}
	return env
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
