package render

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

const (
	workloadTemplate = "deployment.yaml.tmpl"
	patchTemplate    = "patch.yaml.tmpl"
	valuesTemplate   = "helm-values.yaml.tmpl"

	// volumePrefix keeps the volumes that the two add apart from all others.
	volumePrefix = "secretctl-"
)

func (v *view) setContainer(o Options) error {
	v.Container = cmp.Or(o.Container, v.Aidbox.Workload.Container)
	if len(validation.IsDNS1123Label(v.Container)) > 0 {
		return refuse("at most 63 of a-z, 0-9 and -, the first and last no -", "the container's name is not one that Kubernetes allows")
	}
	return nil
}

// viewValues are the lists of the user's own values, without what is secretctl's.
type viewValues struct {
	ExtraEnvs, VolumeMounts, Volumes []json.RawMessage
}

// chartValues is what a pod of the delivery needs, as the Aidbox chart calls it.
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

// HelmValues returns values for the Aidbox chart that have its Deployment mount the
// secrets of the delivery. own are the user's values, or nothing: Helm puts a list
// in the place of another, so the items that they have in those lists are kept.
// Of the options Templates and InitBundle count. It fails with an [*Error] where own cannot be read
// or has something else mounted where the secrets go, and where the template does
// not give what is needed.
func HelmValues(d *config.Delivery, o Options, own []byte) ([]byte, error) {
	v := newView(d, store.Provider{})
	if err := v.setInitBundle(o.InitBundle); err != nil {
		return nil, err
	}
	if err := v.setValues(own); err != nil {
		return nil, refuse(cmp.Or(hint.Of(err), "fix the file that --values names"), "values: %w", err)
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
			return textError{oneLine(err)}
		}
		return v.checkValues(values)
	})
	if err != nil {
		return nil, err
	}
	return nest(text, v.Aidbox.Workload.HelmKey), nil
}

// nest puts values below the keys at which umbrella charts have those of the chart.
func nest(values []byte, helmKey string) []byte {
	if helmKey == "" {
		return values
	}
	for _, key := range slices.Backward(strings.Split(helmKey, ".")) {
		var out bytes.Buffer
		fmt.Fprintf(&out, "%s:\n", key)
		for line := range bytes.Lines(values) {
			out.WriteString("  ")
			out.Write(line)
		}
		values = out.Bytes()
	}
	return values
}

// chartKeys are keys of the Aidbox chart, of which values that are for it have some.
var chartKeys = []string{
	"affinity", "config", "extraEnvFromConfigMaps", "extraEnvFromSecrets", "extraEnvs", "fullnameOverride", "host", "image", "imagePullSecrets", "ingress",
	"livenessProbe", "nameOverride", "nodeSelector", "podAnnotations", "podLabels", "podSecurityContext", "protocol", "readinessProbe", "replicaCount",
	"resources", "securityContext", "service", "serviceAccount", "startupProbe", "tolerations", "volumeMounts", "volumes",
}

// chartValuesIn returns the values of the Aidbox chart in values of the user's.
func chartValuesIn(asJSON []byte, helmKey string) (json.RawMessage, error) {
	values := json.RawMessage(asJSON)
	var level map[string]json.RawMessage
	for _, key := range strings.FieldsFunc(helmKey, func(r rune) bool { return r == '.' }) {
		if level = nil; json.Unmarshal(values, &level) != nil {
			return nil, errNotValues
		}
		values = level[key]
		if values == nil {
			return json.RawMessage("{}"), nil
		}
	}
	if level = nil; json.Unmarshal(values, &level) != nil {
		return nil, errNotValues
	}
	isOfChart := func(values map[string]json.RawMessage) bool {
		return slices.ContainsFunc(chartKeys, func(key string) bool { return values[key] != nil })
	}
	if len(level) == 0 || isOfChart(level) {
		return values, nil
	}
	for _, key := range slices.Sorted(maps.Keys(level)) {
		var below map[string]json.RawMessage
		if json.Unmarshal(level[key], &below) == nil && isOfChart(below) {
			return nil, hint.Wrap(errOtherChart, "set aidbox.workload.helmKey to the key that has them: %.80q?", key)
		}
	}
	return nil, hint.Wrap(errOtherChart, "name the values of the Aidbox chart, or of a chart that has it, with aidbox.workload.helmKey")
}

func (v *view) checkValues(values chartValues) error {
	var pod corev1.PodTemplateSpec
	pod.Annotations, pod.Labels = values.PodAnnotations, values.PodLabels
	pod.Spec.ServiceAccountName, pod.Spec.Volumes = values.ServiceAccount.Name, values.Volumes
	return v.checkPod(pod, corev1.Container{Env: values.ExtraEnvs, VolumeMounts: values.VolumeMounts})
}

// setValues takes from the user's values what has to stay in the lists. What has a
// name of secretctl's is of an earlier run.
func (v *view) setValues(own []byte) (err error) {
	asJSON, err := yaml.YAMLToJSONStrict(own)
	if err != nil {
		return oneLine(err)
	}
	chart, err := chartValuesIn(asJSON, v.Aidbox.Workload.HelmKey)
	if err != nil {
		return err
	}
	var lists struct {
		ExtraEnvs    json.RawMessage `json:"extraEnvs"`
		VolumeMounts json.RawMessage `json:"volumeMounts"`
		Volumes      json.RawMessage `json:"volumes"`
	}
	if json.Unmarshal(chart, &lists) != nil {
		return errNotValues
	}
	ours := func(i listItem) bool { return strings.HasPrefix(i.Name, volumePrefix) }
	if v.Values.Volumes, err = without(lists.Volumes, ours); err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	if v.Values.VolumeMounts, err = without(lists.VolumeMounts, ours); err != nil {
		return fmt.Errorf("volumeMounts: %w", err)
	}
	v.Values.ExtraEnvs, err = without(lists.ExtraEnvs, func(i listItem) bool {
		return slices.ContainsFunc(v.env(), func(e corev1.EnvVar) bool { return e.Name == i.Name })
	})
	if err != nil {
		return fmt.Errorf("extraEnvs: %w", err)
	}
	return v.checkFree()
}

// checkFree refuses mounts in the places of the delivery's.
func (v *view) checkFree() error {
	for _, raw := range v.Values.VolumeMounts {
		var i listItem
		if json.Unmarshal(raw, &i) != nil {
			return errNotItems
		}
		for _, want := range v.aidboxMounts() {
			if path.Clean(i.MountPath) == path.Clean(want.folder) {
				return fmt.Errorf("volumeMounts: %.80q is mounted at %s, where %s has to be", i.Name, want.folder, want.what)
			}
		}
	}
	return nil
}

// listItem is what tells an item of one of the lists from the others.
type listItem struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
}

var (
	errNotValues  = errors.New("is not a file of Helm values")
	errOtherChart = errors.New("have none of the Aidbox chart's keys at the top")
	errNotItems   = errors.New("is not a list of what Kubernetes has there")
)

func without(list json.RawMessage, drop func(listItem) bool) (kept []json.RawMessage, err error) {
	var items []json.RawMessage
	if list != nil && json.Unmarshal(list, &items) != nil {
		return nil, errNotItems
	}
	for _, raw := range items {
		var i listItem
		if json.Unmarshal(raw, &i) != nil {
			return nil, errNotItems
		}
		if !drop(i) {
			kept = append(kept, raw)
		}
	}
	return kept, nil
}
