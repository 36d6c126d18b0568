// Package render turns a delivery into Kubernetes manifests. It executes templates, parses
// each document back and compares it with the delivery, so that no mistake in a template
// goes unnoticed. It connects to no server, has no secret value, and gives the same bytes
// for the same delivery.
package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	spcv1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/store"
)

// Options are what to render, and from which templates.
type Options struct {
	// Templates is a folder of templates that replace embedded ones of the same name; ""
	// for none.
	Templates string
	// Only and Skip are kinds and groups, in any case. Empty means all, and none.
	Only, Skip []string
	// With are groups to render in addition.
	With []string
	// Patch renders a patch for an existing workload instead of the workload, even if the
	// config says that secretctl writes it.
	Patch bool
	// Container is the name of Aidbox's container in the patched workload; default: the
	// config's.
	Container string
	// Nudge adds the right to patch pods to the group [GroupRBAC].
	Nudge bool
	// Job is for the groups [GroupVerifyJob] and [GroupRotateJob].
	Job Job
	// InitBundle is the FHIR Bundle with the delivery's resources that Aidbox applies when
	// it starts; nil for none. It goes into the ConfigMap of the vault config.
	InitBundle []byte
}

// The groups of objects that are rendered only on request: the rights that secretctl
// needs, a CronJob that verifies the delivery, and one that rotates its secrets.
const (
	GroupRBAC      = "rbac"
	GroupVerifyJob = "verify-job"
	GroupRotateJob = "rotate-job"
)

// WithInitBundle is requested as groups are. It adds to the objects that are always
// rendered, so that Aidbox gets its resources when it starts.
const WithInitBundle = "init-bundle"

// Groups returns the names of the groups.
func Groups() []string { return []string{GroupRBAC, GroupVerifyJob, GroupRotateJob} }

// Includes reports whether the options ask for the group.
func (o Options) Includes(group string) bool {
	return slices.ContainsFunc(slices.Concat(o.With, o.Only), func(name string) bool { return strings.EqualFold(name, group) })
}

// Object is one manifest.
type Object struct {
	Delivery              string // the name of the delivery that it is part of
	Kind, Namespace, Name string // Namespace is "" for an object of the whole cluster
	Patch                 string // the container that a patch is for; "" for every other object
	YAML                  []byte // one document with its comments, no "---", one newline at the end
	JSON                  []byte // the same without the comments, on one line
}

// object is any Kubernetes type.
type object interface {
	runtime.Object
	metav1.Object
}

// manifest is an object that can be rendered.
type manifest struct {
	group                  string // "" for what is always rendered
	apiVersion, kind, name string
	template               string
	decoded                object // what the output is read back into
	view                   *view  // what the template sees
}

const (
	rbacAPI          = "rbac.authorization.k8s.io/v1"
	workloadTemplate = "deployment.yaml.tmpl"
	patchTemplate    = "patch.yaml.tmpl"
)

// manifests returns what can be rendered, in the order in which to apply it.
func manifests(d *config.Delivery, v, verifies, rotates *view, o Options) []manifest {
	workload, decoded := workloadTemplate, object(&appsv1.Deployment{})
	if o.Patch || v.Aidbox.Workload.ManagedBy != config.ManagedBySecretctl {
		workload = patchTemplate
	}
	if v.Aidbox.Workload.Kind == config.KindStatefulSet {
		decoded = &appsv1.StatefulSet{}
	}
	all := []manifest{{"", "v1", "ServiceAccount", v.Aidbox.ServiceAccount, "serviceaccount.yaml.tmpl", &corev1.ServiceAccount{}, v}}
	for _, class := range v.provider.Classes(d) {
		all = append(all, manifest{
			"", spcv1.GroupVersion.String(), "SecretProviderClass", class.Name,
			"secretproviderclass-" + v.Provider + ".yaml.tmpl", &spcv1.SecretProviderClass{}, v.ofClass(d, class),
		})
	}
	all = append(
		all,
		manifest{"", "v1", "ConfigMap", v.ConfigMap, "configmap.yaml.tmpl", &corev1.ConfigMap{}, v},
		manifest{"", "apps/v1", v.Aidbox.Workload.Kind, v.Aidbox.Workload.Name, workload, decoded, v},
		manifest{GroupRBAC, rbacAPI, "Role", v.Name + "-secretctl", "rbac-role.yaml.tmpl", &rbacv1.Role{}, v},
		manifest{GroupRBAC, rbacAPI, "ClusterRole", v.ClusterRole, clusterRoleTemplate, &rbacv1.ClusterRole{}, v},
	)
	return slices.Concat(all, jobManifests(GroupVerifyJob, verifies), jobManifests(GroupRotateJob, rotates))
}

// namespace returns the namespace of the object; "" for one of the whole cluster.
func (m manifest) namespace(v *view) string {
	if strings.HasPrefix(m.kind, "ClusterRole") {
		return ""
	}
	return v.Namespace
}

// selectFrom returns the manifests that o asks for.
func (o Options) selectFrom(all []manifest) ([]manifest, error) {
	for _, name := range o.With {
		known := append(Groups(), WithInitBundle)
		if !slices.ContainsFunc(known, func(g string) bool { return strings.EqualFold(g, name) }) {
			return nil, hint.Usage("available: "+strings.Join(known, ", "), "unknown group %q", name)
		}
	}
	offered := func(m manifest) bool { return m.group == "" || o.Includes(m.group) }
	for _, kind := range slices.Concat(o.Only, o.Skip) {
		if !slices.ContainsFunc(all, func(m manifest) bool { return m.in([]string{kind}) }) {
			var kinds []string
			for _, m := range all {
				if m.group == "" {
					kinds = append(kinds, m.kind)
				}
			}
			return nil, hint.Usage("kinds are "+strings.Join(kinds, ", ")+"; groups are "+strings.Join(Groups(), ", "), "unknown kind %q", kind)
		}
	}
	for _, kind := range o.Only {
		if !slices.ContainsFunc(all, func(m manifest) bool { return m.in([]string{kind}) && offered(m) }) {
			return nil, hint.Usage("--with "+strings.Join(Groups(), " or --with ")+" adds kinds", "kind %q is rendered only with its group", kind)
		}
	}
	kept := slices.DeleteFunc(all, func(m manifest) bool {
		return !offered(m) || len(o.Only) > 0 && !m.in(o.Only) || m.in(o.Skip)
	})
	if len(kept) == 0 {
		return nil, hint.Usage("name fewer kinds to skip", "no kind is left to render")
	}
	return kept, nil
}

// in reports whether the names include the manifest's kind or group.
func (m manifest) in(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return strings.EqualFold(m.kind, name) || m.group != "" && strings.EqualFold(m.group, name)
	})
}

// Objects renders a delivery as config.Load returns it, for a store of kind p, in the order
// in which to apply: ServiceAccount, SecretProviderClass, ConfigMap, workload, and then
// the groups that o asks for. It is a usage error if o names something unknown, or if a
// template does not give the object that the delivery describes.
func Objects(d *config.Delivery, p store.Provider, o Options) ([]Object, error) {
	v := newView(d, p)
	if err := v.setInitBundle(o.InitBundle); err != nil {
		return nil, err
	}
	v.Nudge, v.PodToken = o.Nudge, !p.LoginOnNode(d)
	if err := v.setContainer(o); err != nil {
		return nil, err
	}
	verifies, rotates, err := v.jobs(d, o)
	if err != nil {
		return nil, err
	}
	selected, err := o.selectFrom(manifests(d, v, verifies, rotates, o))
	if err != nil {
		return nil, err
	}
	if o.Patch && !slices.ContainsFunc(selected, func(m manifest) bool { return m.template == patchTemplate }) {
		return nil, hint.Usage("include the "+v.Aidbox.Workload.Kind, "the kinds to render do not include the %s, which the patch is for", v.Aidbox.Workload.Kind)
	}
	from, err := newSources(o.Templates)
	if err != nil {
		return nil, err
	}
	objects, errs := make([]Object, len(selected)), make([]error, len(selected))
	var all sync.WaitGroup
	for i, m := range selected {
		all.Go(func() { objects[i], errs[i] = m.render(from) })
	}
	all.Wait()
	return objects, cmp.Or(errs...)
}

func (m manifest) render(from sources) (Object, error) {
	v := m.view
	var json []byte
	text, err := from.render(m.template, v, func(text []byte) (err error) {
		if json, err = decode(text, m.decoded); err != nil {
			return err
		}
		return cmp.Or(m.checkIdentity(v), v.checkContents(m))
	})
	if err != nil {
		return Object{}, err
	}
	o := Object{Delivery: v.Name, Kind: m.kind, Namespace: m.namespace(v), Name: m.name, YAML: text, JSON: json}
	if m.template == patchTemplate {
		o.Patch = v.Container
	}
	return o, nil
}

// Collisions returns a usage error if two objects have the same kind, namespace and name:
// when applied, the second would replace the first.
func Collisions(objects []Object) error {
	type key struct{ kind, namespace, name string }
	owner := map[key]string{}
	var found []string
	for _, o := range objects {
		k := key{o.Kind, o.Namespace, o.Name}
		if first, taken := owner[k]; taken {
			found = append(found, fmt.Sprintf("%s %s/%s is in delivery %q and in %q", o.Kind, o.Namespace, o.Name, first, o.Delivery))
			continue
		}
		owner[k] = o.Delivery
	}
	if len(found) == 0 {
		return nil
	}
	return hint.Usage("give one of them another name or namespace", "%s", strings.Join(found, "; "))
}
