package render

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

const (
	cronJobFile = "job-cronjob.yaml.tmpl"
	bindingFile = "job-rolebinding.yaml.tmpl"
	jobRoleFile = "job-role.yaml.tmpl"
)

func jobOptions() Options {
	return Options{Only: []string{GroupVerifyJob}, Job: Job{Image: "secretctl/secretctl:1.2.3", Schedule: "*/15 * * * *"}}
}

func everyGroup() Options {
	o := jobOptions()
	o.Only = Groups()
	return o
}

func everyJobOption() Options {
	o := jobOptions()
	o.Job.AdminSecret, o.Job.AllowHTTP = "aidbox-admin/secret", true
	return o
}

func rotateOptions() Options {
	o := jobOptions()
	o.Only = []string{GroupRotateJob}
	return o
}

func everyRotateOption() Options {
	o := rotateOptions()
	o.Job.AllowHTTP = true
	return o
}

func TestGroupsAreAsRecorded(t *testing.T) {
	service := func() *config.Delivery {
		d := vaultEverything()
		d.Aidbox.URL = "service/aidbox:http"
		return d
	}
	for name, tt := range map[string]struct {
		delivery func() *config.Delivery
		options  Options
	}{
		"rbac":                  {vaultDelivery, Options{Only: []string{GroupRBAC}}},
		"rbac-everything":       {service, Options{Only: []string{GroupRBAC}, Nudge: true}},
		"rbac-kubelet":          {deliveries["azure-kubelet"], Options{Only: []string{GroupRBAC}}},
		"verify-job":            {vaultDelivery, jobOptions()},
		"verify-job-everything": {service, everyJobOption()},
		"verify-job-azure":      {deliveries["azure-workload"], jobOptions()},
		"rotate-job":            {vaultDelivery, rotateOptions()},
		"rotate-job-everything": {service, everyRotateOption()},
		"rotate-job-kubelet":    {deliveries["azure-kubelet"], rotateOptions()},
		"groups-azure-vaults":   {deliveries["azure-vaults"], everyGroup()},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			objects := mustRender(t, tt.delivery(), tt.options)
			if err := WriteYAML(&out, objects); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".yaml", out.Bytes())
			if diff := cmp.Diff(objects, mustRender(t, tt.delivery(), tt.options)); diff != "" {
				t.Errorf("a second time: %s", diff)
			}
		})
	}
}

func TestGroupsAreRenderedWhereTheyAreNamedAlone(t *testing.T) {
	usual := []string{"ServiceAccount", "SecretProviderClass", "ConfigMap", "Deployment"}
	rights, job := []string{"Role", "ClusterRole"}, []string{"ConfigMap", "CronJob"}
	for _, tt := range []struct{ with, only, skip, want []string }{
		{nil, nil, nil, usual},
		{nil, nil, []string{"rbac"}, usual},
		{[]string{"RBAC"}, nil, nil, slices.Concat(usual, rights)},
		{[]string{"verify-job"}, nil, nil, slices.Concat(usual, job)},
		{[]string{"verify-job", "rbac"}, nil, []string{"deployment", "rbac"}, slices.Concat(usual[:3], job)},
		{nil, []string{"rbac"}, nil, rights},
		{nil, []string{"verify-job", "Deployment"}, nil, slices.Concat(usual[3:], job)},
		{[]string{"verify-job"}, []string{"CronJob"}, nil, job[1:]},
	} {
		o := Options{With: tt.with, Only: tt.only, Skip: tt.skip, Job: jobOptions().Job}
		if got := kindsOf(mustRender(t, vaultDelivery(), o)); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func TestJobHasRightsInTheClusterOnlyToReachAidboxThere(t *testing.T) {
	d := vaultDelivery()
	d.Aidbox.URL = "service"
	if got, want := kindsOf(mustRender(t, d, jobOptions())), []string{"Role", "RoleBinding", "ConfigMap", "CronJob"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestBadOptionsOfGroupsAreErrorsWithAHint(t *testing.T) {
	long := vaultDelivery()
	long.Name = strings.Repeat("x", 46)
	without := vaultDelivery()
	without.RotateJob = nil
	large := vaultDelivery()
	for len(large.Resources) < 20_000 {
		large.Resources = append(large.Resources, config.Resource{Type: "Client", ID: strings.Repeat("x", 64)})
	}
	withAdmin := func(text string) Options {
		o := jobOptions()
		o.Job.AdminSecret = text
		return o
	}
	for _, tt := range []struct {
		d          *config.Delivery
		options    Options
		want, hint string
	}{
		{vaultDelivery(), Options{With: []string{"jobs"}}, `unknown group "jobs"`, "available: rbac, verify-job, rotate-job, init-bundle"},
		{vaultDelivery(), Options{Only: []string{"verify-jbo"}}, `unknown kind "verify-jbo"`, "kinds are ServiceAccount, SecretProviderClass, ConfigMap, Deployment; groups are rbac, verify-job, rotate-job"},
		{vaultDelivery(), Options{Only: []string{"Role"}}, `kind "Role" is rendered only with its group`, "--with rbac or --with verify-job or --with rotate-job adds kinds"},
		{long, jobOptions(), "longer than the 52 characters that a CronJob may have", "give the delivery a shorter name"},
		{long, rotateOptions(), "longer than the 52 characters that a CronJob may have", "give the delivery a shorter name"},
		{without, rotateOptions(), `delivery "aidbox" has no rotateJob`, "write rotateJob: {secrets: [NAME]}, or render the other deliveries with --delivery"},
		{large, jobOptions(), "the config of the job aidbox-verify is more than the 1 MiB that a ConfigMap can hold", "split the delivery: several documents, each with its own name"},
		{vaultDelivery(), withAdmin("aidbox-admin"), "the Secret of the admin Client must be NAME/KEY", "write it as NAME/KEY"},
		{vaultDelivery(), withAdmin("/key"), "the Secret of the admin Client must be NAME/KEY", "write it as NAME/KEY"},
	} {
		_, err := objectsOf(tt.d, tt.options)
		if !isUsage(err) || !strings.Contains(err.Error(), tt.want) || hint.Of(err) != tt.hint {
			t.Errorf("got %T %v, hint %q", err, err, hint.Of(err))
		}
	}
}

func TestRotateJobHasItsOwnServiceAccount(t *testing.T) {
	got := kindsOf(mustRender(t, vaultDelivery(), rotateOptions()))
	if want := []string{"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "CronJob"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	all := mustRender(t, vaultDelivery(), Options{With: Groups(), Job: jobOptions().Job})
	if err := Collisions(all); err != nil {
		t.Error(err)
	}
}

func TestTemplateOfAGroupThatDiffersFromTheDeliveryIsAnError(t *testing.T) {
	for _, tt := range []struct{ delivery, file, old, new, want string }{
		{"vault", "rbac-clusterrole.yaml.tmpl", "metadata:", "metadata:\n  namespace: x", `metadata.namespace is "x", and must be ""`},
		{"vault", "rbac-role.yaml.tmpl", "verbs: [get, patch, create]", `verbs: ["*"]`, "rule 0 has a *"},
		{"vault", "rbac-role.yaml.tmpl", "resources: [replicasets]", "resources: [secrets]", "rule 1 is about Secrets"},
		{"vault", jobRoleFile, "resources: [pods/exec]", "resources: [secrets]", "rule 4 is about Secrets"},
		{"vault", "job-clusterrolebinding.yaml.tmpl", "name: {{quote .Job.ServiceAccount}}", "name: {{quote .Aidbox.ServiceAccount}}", `its only subject must be the ServiceAccount "aidbox-rotate"`},
		{"vault", "job-clusterrolebinding.yaml.tmpl", "kind: ClusterRole\n", "kind: Role\n", `roleRef.kind is "Role"`},
		{"vault", cronJobFile, "serviceAccountName: {{quote .Job.ServiceAccount}}", "serviceAccountName: {{quote .Aidbox.ServiceAccount}}", `serviceAccountName is "aidbox", and must be "aidbox-rotate"`},
		{"vault", bindingFile, "kind: ServiceAccount", "kind: Group", `its only subject must be the ServiceAccount "aidbox"`},
		{"vault", bindingFile, "subjects:", "subjects:\n  - {kind: User, name: eve}", "its only subject must be"},
		{"vault", bindingFile, "kind: Role\n", "kind: ClusterRole\n", `roleRef.kind is "ClusterRole"`},
		{"vault", "job-configmap.yaml.tmpl", "{{literal 4 .Job.Config}}", "x", "data[secretctl.yaml] is not that of the delivery"},
		{"vault", cronJobFile, "{{quote .Job.Schedule}}", "'@daily'", `schedule is "@daily"`},
		{"vault", cronJobFile, "      activeDeadlineSeconds: {{.Job.DeadlineSeconds}}\n", "", "activeDeadlineSeconds is missing"},
		{"vault", cronJobFile, "{{quote .Job.Image}}", "nginx", `image is "nginx"`},
		{"vault", cronJobFile, "serviceAccountName: {{quote .Job.ServiceAccount}}", "", `serviceAccountName is ""`},
		{"vault", cronJobFile, "- name: secretctl\n              image", "- name: other\n              image", "has no container named secretctl"},
		{"vault", cronJobFile, "- {{quote .}}", "- x", "args of the container must be"},
		{"vault", cronJobFile, "name: AIDBOX_CLIENT_SECRET", "name: OTHER", `env "AIDBOX_CLIENT_SECRET" is missing`},
		{"vault", cronJobFile, "name: {{quote .Job.AdminSecretName}}", "name: other", `env "AIDBOX_CLIENT_SECRET" is missing or has another value`},
		{"vault", cronJobFile, "                # The driver refuses anything else.\n                readOnly: true\n", "", `volume "secrets" is not a read-only mount`},
		{"vault", cronJobFile, "mountPath: {{quote .MountPath}}", "mountPath: {{quote .MountPath}}\n                  subPath: x", "has a subPath"},
		{"vault", cronJobFile, "path: {{quote .Job.TokenKey}}", "path: other", `volume "token" is not a read-only mount of a token`},
		{"azure-workload", cronJobFile, "- name: {{.Name}}", "- name: X{{.Name}}", `env "SECRETCTL_ALLOW_HTTP" is missing`},
		{"azure-workload", cronJobFile, "audience: {{quote .}}", "audience: vault", "a token for the store"},
	} {
		t.Run(tt.file+" "+tt.new, func(t *testing.T) {
			o, d := everyJobOption(), deliveries[tt.delivery]()
			d.Aidbox.URL = "service"
			o.With, o.Only, o.Templates = Groups(), nil, edited(t, tt.file, tt.old, tt.new)
			_, err := objectsOf(d, o)
			if !isUsage(err) || !strings.HasPrefix(err.Error(), "template "+filepath.Join(o.Templates, tt.file)+":") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestClusterRoleDoesNotCountAsANamespaceOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	if _, err := WriteDir(dir, mustRender(t, vaultDelivery(), Options{With: []string{GroupRBAC}})); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"clusterrole-default-aidbox-secretctl.yaml", "role-aidbox-secretctl.yaml", "deployment-aidbox.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// rights lists each verb on each resource of the rules.
func rights(rules []rbacv1.PolicyRule) map[string]bool {
	all := map[string]bool{}
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					all[strings.Join([]string{verb, group, resource, strings.Join(r.ResourceNames, ",")}, " ")] = true
				}
			}
		}
	}
	return all
}

func TestRightsAreThoseThatAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/rbac.md")
	if err != nil {
		t.Fatal(err)
	}
	d := vaultDelivery()
	d.Aidbox.URL = "service/aidbox"
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	for i, o := range []Options{{Only: []string{GroupRBAC}, Nudge: true}, rotateOptions()} {
		block, _, _ := strings.Cut(blocks[i], "```")
		var roles []Object
		for _, o := range mustRender(t, d, o) {
			if o.Kind == "Role" || o.Kind == "ClusterRole" {
				roles = append(roles, o)
			}
		}
		slices.SortFunc(roles, func(a, b Object) int { return strings.Compare(b.Kind, a.Kind) })
		for j, o := range roles {
			var documented, rendered rbacv1.Role // a ClusterRole has the same rules
			if err := yaml.UnmarshalStrict([]byte(strings.Split(block, "\n---\n")[j]), &documented); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(o.YAML, &rendered); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rights(documented.Rules), rights(rendered.Rules)); diff != "" {
				t.Errorf("%s %s (-docs/rbac.md +rendered):\n%s", o.Kind, o.Name, diff)
			}
		}
	}
}
