package render

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	kjson "sigs.k8s.io/json"
	spcv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/hint"
)

// decode reads one document into a Kubernetes type as strictly as the API server can: case
// matters, and an unknown or duplicate key is an error. It returns the document as JSON.
func decode(text []byte, into object) ([]byte, error) {
	json, err := toJSON(text)
	if err != nil {
		return nil, err
	}
	problems, err := kjson.UnmarshalStrict(json, into)
	return json, oneLine(errors.Join(append(problems, err)...))
}

// documentMarker separates documents wherever it starts a line, even inside a quoted string.
var documentMarker = regexp.MustCompile(`(?m)^(---|\.\.\.)`)

func toJSON(text []byte) ([]byte, error) {
	if documentMarker.Match(text) {
		return nil, errors.New("gives more than one document")
	}
	json, err := yaml.YAMLToJSONStrict(text)
	return json, oneLine(err)
}

func oneLine(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(hint.OneLine(err.Error()))
}

// checkIdentity compares what identifies an object.
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

// checkContents compares what the delivery needs; a template may add to it.
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
			return holds(o, v.Job.ConfigKey, v.Job.Config)
		}
		if err := holds(o, v.VaultConfigKey, v.VaultConfig); err != nil || v.InitBundle == "" {
			return err
		}
		return holds(o, v.InitBundleKey, v.InitBundle)
	case *appsv1.Deployment:
		return v.checkWorkload(m, o.Spec.Selector, o.Spec.Replicas, o.Spec.Template)
	case *appsv1.StatefulSet:
		return v.checkWorkload(m, o.Spec.Selector, o.Spec.Replicas, o.Spec.Template)
	case *rbacv1.Role:
		return checkRules(o.Rules)
	case *rbacv1.ClusterRole:
		return checkRules(o.Rules)
	case *rbacv1.RoleBinding:
		return v.checkBinding(o.Subjects, o.RoleRef, "Role", v.Job.Name)
	case *rbacv1.ClusterRoleBinding:
		return v.checkBinding(o.Subjects, o.RoleRef, "ClusterRole", v.ClusterRole)
	case *batchv1.CronJob:
		return v.checkCronJob(o)
	}
	return nil
}

// checkClass also refuses differences that do no harm.
func (v *view) checkClass(o *spcv1.SecretProviderClass) error {
	if len(v.wanted.Unknown) > 0 {
		return fmt.Errorf("parameter %s has no value, and the provider would use another one", v.wanted.Unknown[0])
	}
	wrong, odd := v.provider.Compare(v.wanted, o.Spec)
	if all := append(wrong, odd...); len(all) > 0 {
		return errors.New(all[0])
	}
	return nil
}

func holds(o *corev1.ConfigMap, key, text string) error {
	if o.Data[key] != text {
		return fmt.Errorf("data[%s] is not that of the delivery", key)
	}
	return nil
}
