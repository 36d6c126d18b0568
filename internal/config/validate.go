package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// maxReplicas is more than any Aidbox has.
const maxReplicas = 10_000

// Choices returns the keys that take one of a few words, with these.
func Choices() map[string][]string {
	all := map[string][]string{
		"apiVersion":                {APIVersion},
		"provider":                  Providers(),
		"aidbox.scopeFormat":        {ScopeReferences, ScopeObject},
		"aidbox.workload.kind":      {KindDeployment, KindStatefulSet},
		"aidbox.runAs":              {RunAsImage, RunAsCluster},
		"aidbox.workload.managedBy": {ManagedBySecretctl, ManagedByKustomize, ManagedByHelm},
		"resources[].type":          resourceTypeNames,
		"resources[].accessPolicy":  {AccessAllow},
	}
	for _, p := range providerTable() {
		maps.Copy(all, p.choices)
	}
	return all
}

// validate reports what cannot work in a delivery, whatever other deliveries say.
func (doc *document) validate() {
	d, root := doc.delivery, doc.root
	root.key("apiVersion").require(d.APIVersion, oneOf(APIVersion))
	root.key("name").check(d.Name, dnsLabel)
	root.key("namespace").check(d.Namespace, dnsLabel)
	root.key("mountPath").check(d.MountPath, mountPath)
	of, known := d.provider()
	if root.key("provider").require(d.Provider, oneOf(Providers()...)); known {
		doc.validateProvider(of)
	}
	doc.validateAidbox()
	doc.validateSecrets()
	doc.validateRotateJob()
	doc.validateResources()
	if len(doc.problems) > 0 {
		return
	}
	if size := len(d.VaultConfig()); size > MaxConfigMap {
		root.key("secrets").report(fmt.Sprintf("the vault config has %d bytes, and a ConfigMap holds at most %d", size, MaxConfigMap),
			"split the delivery: several documents, each with its own name")
	}
}

func (doc *document) validateAidbox() {
	a, at := doc.delivery.Aidbox, doc.root.key("aidbox")
	at.checkAll([]written{
		{"url", a.URL, aidboxAddress},
		{"scopeFormat", a.ScopeFormat, oneOf(ScopeReferences, ScopeObject)},
		{"runAs", a.RunAs, oneOf(RunAsImage, RunAsCluster)},
		{"serviceAccount", a.ServiceAccount, dnsName},
		{"image", a.Image, image},
		{"probe", a.Probe, probe},
	})
	if a.ScopeFormat == "" && a.Workload.External() {
		at.key("scopeFormat").report("is missing, and cannot follow from an unknown image",
			"write object for Aidbox 2603 and later, or references for 2602")
	}
	a.Workload.validate(at)
	if *a.Replicas < 0 || *a.Replicas > maxReplicas {
		at.key("replicas").report(fmt.Sprintf("must be between 0 and %d", maxReplicas), "such as 1")
	}
	if a.Port < 1 || a.Port > 65535 {
		at.key("port").report("must be between 1 and 65535", "such as 8080")
	}
	at.key("admin").key("client").check(a.Admin.Client, fhirID)
	source := at.key("admin").key("secret")
	source.checkSource(a.Admin.Secret)
	if a.Admin.Secret.Generate != nil {
		source.key("generate").report("makes a value that Aidbox does not know", "name the source of the existing one: env, file or stdin")
	}
	doc.validateEnv(at)
}

// External reports whether somebody else manages the workload.
func (w Workload) External() bool {
	return w.ManagedBy == ManagedByKustomize || w.ManagedBy == ManagedByHelm
}

// validate checks the workload, and refuses its settings if others manage it.
func (w Workload) validate(aidbox *place) {
	at := aidbox.key("workload")
	at.checkAll([]written{
		{"kind", w.Kind, oneOf(KindDeployment, KindStatefulSet)},
		{"name", w.Name, workloadName(w.Kind)},
		{"container", w.Container, dnsLabel},
		{"managedBy", w.ManagedBy, oneOf(ManagedBySecretctl, ManagedByKustomize, ManagedByHelm)},
		{"helmKey", w.HelmKey, helmKey},
	})
	if key := at.key("helmKey"); w.HelmKey != "" && w.ManagedBy != ManagedByHelm {
		key.report("is only for managedBy: helm", "remove it, or change managedBy")
	}
	if !w.External() {
		return
	}
	for _, name := range []string{"image", "replicas", "envFrom", "resources"} {
		if key := aidbox.key(name); key.node != nil {
			key.report("is only for managedBy: secretctl", "remove it: set it with "+w.ManagedBy)
		}
	}
}

func (doc *document) validateEnv(at *place) {
	seen := map[string]int{}
	for i, e := range doc.delivery.Aidbox.Env {
		name := at.key("env").item(i).key("name")
		switch {
		case e.Name == "":
			name.report("is missing", "each variable has one")
		case e.Name == "AIDBOX_VAULT_CONFIG", e.Name == "BOX_VAULT_CONFIG":
			name.report("is a variable that secretctl sets itself", "remove it")
		case strings.Contains(e.Name, "="):
			name.report("has an =", "write what follows it as value")
		case first(seen, e.Name, i) < i:
			name.report("is already listed", "remove one")
		case e.ValueFrom != nil && e.Value != "":
			at.key("env").item(i).report("has both value and valueFrom", "remove one")
		case e.ValueFrom != nil && sourcesIn(*e.ValueFrom) != 1:
			at.key("env").item(i).key("valueFrom").report("must name one source", "such as secretKeyRef: {name: NAME, key: KEY}")
		}
	}
	for i, e := range doc.delivery.Aidbox.EnvFrom {
		if sourcesIn(e) != 1 {
			at.key("envFrom").item(i).report("must name one source", "such as secretRef: {name: NAME}")
		}
	}
	limits := doc.delivery.Aidbox.Resources.Limits
	for _, name := range slices.Sorted(maps.Keys(doc.delivery.Aidbox.Resources.Requests)) {
		request := doc.delivery.Aidbox.Resources.Requests[name]
		if limit, limited := limits[name]; limited && request.Cmp(limit) > 0 {
			at.key("resources").key("requests").key(string(name)).report("is more than the limit", "write at most that, or raise the limit")
		}
	}
}

// sourcesIn counts the sources of a variable, or of several: the fields that are pointers.
func sourcesIn(of any) (n int) {
	for _, f := range reflect.ValueOf(of).Fields() {
		if f.Kind() == reflect.Pointer && !f.IsNil() {
			n++
		}
	}
	return n
}
