package render

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	valuesTemplate = "helm-values.yaml.tmpl"
	volumePrefix   = "secretctl-" // of the volumes that secretctl adds to an existing workload
)

// viewValues are the items of the user's lists that secretctl did not write.
type viewValues struct {
	ExtraEnvs, VolumeMounts, Volumes []any
}

// chartValues are the values of the Aidbox chart that a pod of the delivery needs.
type chartValues struct {
	ServiceAccount struct {
		Name string `json:"name"`
	} `json:"serviceAccount"`
	PodAnnotations map[string]string    `json:"podAnnotations"`
	PodLabels      map[string]string    `json:"podLabels"`
	ExtraEnvs      []corev1.EnvVar      `json:"extraEnvs"`
	VolumeMounts   []corev1.VolumeMount `json:"volumeMounts"`
	Volumes        []corev1.Volume      `json:"volumes"`
}

// HelmValues returns values for the Aidbox chart that make its Deployment mount the secrets
// of the delivery. own are the user's values, or nothing: Helm replaces lists as a whole,
// so the result keeps their items. Of the options, HelmValues uses Templates and
// InitBundle. It is a usage error if own cannot be read or mounts something else where the
// secrets go, and if the template does not give what the pod needs.
func HelmValues(d *config.Delivery, o Options, own []byte) ([]byte, error) {
	v := newView(d, store.Provider{})
	if err := v.setInitBundle(o.InitBundle); err != nil {
		return nil, err
	}
	if err := v.setValues(own); err != nil {
		return nil, hint.Usage(cmp.Or(hint.Of(err), "fix the file that --values names"), "values: %w", err)
	}
	from, err := newSources(o.Templates)
	if err != nil {
		return nil, err
	}
	text, err := from.render(valuesTemplate, v, func(text []byte) error {
		asJSON, err := toJSON(text)
		if err != nil {
			return err
		}
		var values chartValues
		if err := json.Unmarshal(asJSON, &values); err != nil {
			return err
		}
		var pod corev1.PodTemplateSpec
		pod.Annotations, pod.Labels = values.PodAnnotations, values.PodLabels
		pod.Spec.ServiceAccountName, pod.Spec.Volumes = values.ServiceAccount.Name, values.Volumes
		return v.checkPod(pod, corev1.Container{Env: values.ExtraEnvs, VolumeMounts: values.VolumeMounts})
	})
	if err != nil {
		return nil, err
	}
	return nest(text, v.Aidbox.Workload.HelmKey), nil
}

// nest moves values below the keys at which an umbrella chart has those of the Aidbox chart.
func nest(values []byte, helmKey string) []byte {
	text := string(values)
	for _, key := range slices.Backward(strings.FieldsFunc(helmKey, func(r rune) bool { return r == '.' })) {
		text = key + ":\n  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
	}
	return []byte(text)
}

// chartKeys are the keys of the Aidbox chart. Values for it have at least one of them.
var chartKeys = []string{
	"affinity", "config", "extraEnvFromConfigMaps", "extraEnvFromSecrets", "extraEnvs", "fullnameOverride", "host", "image", "imagePullSecrets", "ingress",
	"livenessProbe", "nameOverride", "nodeSelector", "podAnnotations", "podLabels", "podSecurityContext", "protocol", "readinessProbe", "replicaCount",
	"resources", "securityContext", "service", "serviceAccount", "startupProbe", "tolerations", "volumeMounts", "volumes",
}

func hasChartKey(values any) bool {
	level, _ := values.(map[string]any)
	return slices.ContainsFunc(chartKeys, func(key string) bool { return level[key] != nil })
}

// chartIn returns the values of the Aidbox chart in the user's.
func chartIn(values map[string]any, helmKey string) (map[string]any, error) {
	chart := values
	if helmKey != "" {
		at, _, _ := unstructured.NestedFieldNoCopy(values, strings.Split(helmKey, ".")...)
		chart, _ = at.(map[string]any)
	}
	if len(chart) == 0 || hasChartKey(chart) {
		return chart, nil
	}
	err := errors.New("have none of the Aidbox chart's keys at the top")
	for _, key := range slices.Sorted(maps.Keys(chart)) {
		if hasChartKey(chart[key]) {
			return nil, hint.Wrap(err, "set aidbox.workload.helmKey to the key that has them: %.80q?", key)
		}
	}
	return nil, hint.Wrap(err, "name the values of the Aidbox chart; if another chart contains it, set aidbox.workload.helmKey to its key there")
}

// setValues takes from the user's values what must stay in the lists. An earlier run wrote
// what has one of secretctl's names.
func (v *view) setValues(own []byte) error {
	var values map[string]any
	if err := yaml.UnmarshalStrict(own, &values); err != nil {
		return oneLine(err)
	}
	chart, err := chartIn(values, v.Aidbox.Workload.HelmKey)
	if err != nil {
		return err
	}
	ours := func(name string) bool { return strings.HasPrefix(name, volumePrefix) }
	oursInEnv := func(name string) bool {
		return slices.ContainsFunc(v.env(), func(e corev1.EnvVar) bool { return e.Name == name })
	}
	for _, list := range []struct {
		key  string
		ours func(name string) bool
		kept *[]any
	}{{"volumes", ours, &v.Values.Volumes}, {"volumeMounts", ours, &v.Values.VolumeMounts}, {"extraEnvs", oursInEnv, &v.Values.ExtraEnvs}} {
		items, isList := chart[list.key].([]any)
		if !isList && chart[list.key] != nil {
			return fmt.Errorf("%s: must be a list", list.key)
		}
		for _, item := range items {
			fields, isMap := item.(map[string]any)
			name, _ := fields["name"].(string)
			switch {
			case !isMap:
				return fmt.Errorf("%s: must be a list of mappings", list.key)
			case !list.ours(name):
				*list.kept = append(*list.kept, item)
			case list.key == "extraEnvs" && slices.ContainsFunc(v.files(), func(e corev1.EnvVar) bool { return e.Name == name && e.Value != fields["value"] }):
				return otherFile(list.key, name)
			}
		}
	}
	settings, _ := chart["config"].(map[string]any) // become variables, which those of extraEnvs replace
	for _, e := range v.files() {
		if given := settings[e.Name]; given != nil && given != "" && given != e.Value {
			return otherFile("config", e.Name)
		}
	}
	if account, _, _ := unstructured.NestedString(chart, "serviceAccount", "name"); account != "" && account != v.Aidbox.ServiceAccount {
		return hint.Wrap(fmt.Errorf("serviceAccount.name: is %.80q, but the config has %s", account, v.Aidbox.ServiceAccount), "set aidbox.serviceAccount to the one that the pods have")
	}
	return v.checkFree()
}

func otherFile(key, variable string) error {
	err := fmt.Errorf("%s: %s names another file, which secretctl would replace", key, variable)
	return hint.Wrap(err, "move what that file has into the config, and remove the variable")
}

// checkFree refuses the user's mounts where those of the delivery go, and below: these are
// read-only, so that the runtime could not make the folder or file for another mount.
func (v *view) checkFree() error {
	for _, item := range v.Values.VolumeMounts {
		mount, _ := item.(map[string]any)
		folder, _ := mount["mountPath"].(string)
		for _, want := range v.aidboxMounts() {
			switch folder = path.Clean(folder); {
			case folder == path.Clean(want.folder):
				return fmt.Errorf("volumeMounts: %.80q is mounted at %s, where %s must be", mount["name"], want.folder, want.what)
			case strings.HasPrefix(folder, path.Clean(want.folder)+"/"):
				err := fmt.Errorf("volumeMounts: %.80q is mounted at %.80s, below the read-only mount of %s: the container would not start", mount["name"], folder, want.what)
				return hint.Wrap(err, "mount it elsewhere")
			}
		}
	}
	return nil
}
