package render

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	kjson "sigs.k8s.io/json"
	spcv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/hint"
)

// decode reads one document into a Kubernetes type as the API server does when
// it is asked to be strict: case matters, and an unknown or duplicate key is an
// error. It returns the document as JSON.
func decode(text []byte, into object) ([]byte, error) {
	json, err := toJSON(text)
	if err != nil {
		return nil, err
	}
	problems, err := kjson.UnmarshalStrict(json, into)
	if err = errors.Join(append(problems, err)...); err != nil {
		return nil, textError{oneLine(err)}
	}
	return json, nil
}

func toJSON(text []byte) ([]byte, error) {
	if severalDocuments(text) {
		return nil, errors.New("gives more than one document")
	}
	json, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, textError{oneLine(err)}
	}
	return json, nil
}

// severalDocuments finds a document marker, which nothing else can look like: it
// is one wherever it starts a line, even inside a quoted string.
func severalDocuments(text []byte) bool {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("---")) || bytes.HasPrefix(line, []byte("...")) {
			return true
		}
	}
	return false
}

func oneLine(err error) error {
	return errors.New(hint.OneLine(err.Error()))
}

// checkIdentity compares what makes an object this one and no other.
func (m manifest) checkIdentity(v *view) error {
	apiVersion, kind := m.decoded.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	return cmp.Or(
		differs("apiVersion", apiVersion, m.apiVersion),
		differs("kind", kind, m.kind),
		differs("metadata.name", m.decoded.GetName(), m.name),
		differs("metadata.namespace", m.decoded.GetNamespace(), m.namespace(v)),
	)
}

// differs returns an error unless got is want.
func differs(what, got, want string) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s is %.80q, and must be %.80q", what, got, want)
}

// checkContents compares what secretctl is responsible for; a template may add
// to it.
func (v *view) checkContents(m manifest) error {
	switch o := m.decoded.(type) {
	case *corev1.ServiceAccount:
		if m.group != "" {
			return nil
		}
		for name, value := range v.provider.Annotations(v.delivery) {
			if err := differs("annotation "+name, o.Annotations[name], value); err != nil {
				return err
			}
		}
		return nil
	case *spcv1.SecretProviderClass:
		return v.checkClass(o)
	case *corev1.ConfigMap:
		if m.group != "" {
			return holds(o, v.Job.ConfigKey, v.Job.Config, "config for the job")
		}
		if err := holds(o, v.VaultConfigKey, v.VaultConfig, "vault config"); err != nil || v.InitBundle == "" {
			return err
		}
		return holds(o, v.InitBundleKey, v.InitBundle, "Init Bundle")
	case *appsv1.Deployment:
		return v.checkWorkload(m, workload{o.Spec.Replicas, o.Spec.Selector, o.Spec.Template})
	case *appsv1.StatefulSet:
		return v.checkWorkload(m, workload{o.Spec.Replicas, o.Spec.Selector, o.Spec.Template})
	case *rbacv1.Role:
		return checkRules(o.Rules)
	case *rbacv1.ClusterRole:
		return checkRules(o.Rules)
	case *rbacv1.RoleBinding:
		return v.checkBinding(o.Subjects, o.RoleRef, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: v.Job.Name})
	case *rbacv1.ClusterRoleBinding:
		return v.checkBinding(o.Subjects, o.RoleRef, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: v.ClusterRole})
	case *batchv1.CronJob:
		return v.checkCronJob(o)
	}
	return nil
}

// checkClass compares a SecretProviderClass with that of the delivery, and is not
// content with one that does no harm.
func (v *view) checkClass(o *spcv1.SecretProviderClass) error {
	if len(v.wanted.Unknown) > 0 {
		return fmt.Errorf("parameter %s has no value, and the provider would take another one", v.wanted.Unknown[0])
	}
	wrong, odd := v.provider.Compare(v.wanted, o.Spec)
	if all := append(wrong, odd...); len(all) > 0 {
		return errors.New(all[0])
	}
	return nil
}

func holds(o *corev1.ConfigMap, key, text, what string) error {
	if o.Data[key] != text {
		return fmt.Errorf("data[%s] is not the delivery's %s", key, what)
	}
	return nil
}
