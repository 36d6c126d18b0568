package config

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// setDefaults fills in what was left out, and adds the canary. A default that follows from
// valid settings is valid.
func (d *Delivery) setDefaults() {
	d.Name = cmp.Or(d.Name, "aidbox")
	d.Namespace = cmp.Or(d.Namespace, "default")
	d.MountPath = cmp.Or(d.MountPath, "/run/"+d.Provider+"-secrets")
	d.Aidbox.setDefaults()
	d.setRotateJobDefaults()
	for i := range d.Resources {
		if d.Resources[i].AccessPolicy == "" {
			d.Resources[i].AccessPolicy = nil
		}
	}
	if d.Canary {
		d.addCanary()
	}
	if p, ok := d.provider(); ok {
		p.setDefaults(d)
	}
}

// resolveFiles makes the paths of value files relative to the working directory instead of
// the folder of the config file.
func (d *Delivery) resolveFiles(folder string) {
	resolve := func(s *secret.Source) {
		if s.File != "" && !filepath.IsAbs(s.File) {
			s.File = filepath.Join(folder, s.File)
		}
	}
	resolve(&d.Aidbox.Admin.Secret)
	for i := range d.Secrets {
		resolve(&d.Secrets[i].Value)
	}
}

func (a *Aidbox) setDefaults() {
	a.URL = cmp.Or(a.URL, "http://localhost:8888")
	a.Admin.Client = cmp.Or(a.Admin.Client, "root")
	if a.Admin.Secret.IsZero() {
		a.Admin.Secret = secret.Source{Env: "AIDBOX_CLIENT_SECRET"}
	}
	a.Workload.setDefaults()
	a.ServiceAccount = cmp.Or(a.ServiceAccount, "aidbox")
	if a.Workload.ManagedBy == ManagedBySecretctl {
		a.Image = cmp.Or(a.Image, "healthsamurai/aidboxone:2602")
	}
	if a.Image != "" { // validation asks for the scopeFormat of an unknown image
		a.ScopeFormat = cmp.Or(a.ScopeFormat, ScopeFormatOf(a.Image))
	}
	if a.Replicas == nil {
		a.Replicas = new(int32(1))
	}
	a.RunAs = cmp.Or(a.RunAs, RunAsImage)
	a.Port = cmp.Or(a.Port, 8080)
	a.Probe = cmp.Or(a.Probe, "/fhir/Patient")
}

func (w *Workload) setDefaults() {
	w.Kind = cmp.Or(w.Kind, KindDeployment)
	w.Name = cmp.Or(w.Name, "aidbox")
	w.Container = cmp.Or(w.Container, "aidbox")
	w.ManagedBy = cmp.Or(w.ManagedBy, ManagedBySecretctl)
}

// lastWithReferences is the last release whose tutorials use the dialect "references".
const lastWithReferences = 2602

// ScopeFormatOf returns the dialect of an image: references up to 2602, and object for later
// and unknown releases.
func ScopeFormatOf(image string) string {
	_, tag, tagged := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	release, _, _ := strings.Cut(strings.ReplaceAll(tag, "-", "."), ".") // YYMM, YYMM.N, YYMM-rc
	n, err := strconv.Atoi(release)
	if !tagged || strings.Contains(image, "@") || len(release) != 4 || err != nil || n > lastWithReferences {
		return ScopeObject
	}
	return ScopeReferences
}

// addCanary adds a secret for rotation tests, and a Client that authenticates with it. The
// Client has no AccessPolicy and gets no token: its secret allows nothing, and 403 proves
// that Aidbox accepts it.
func (d *Delivery) addCanary() {
	name := d.CanarySecret()
	client := Resource{
		Type:    "Client",
		ID:      name,
		Secrets: map[string]string{"secret": name},
		Body:    map[string]any{"grant_types": []any{"basic"}},
	}
	d.Secrets = append(d.Secrets, Secret{
		Name: name,
		// Deliveries that share a store must not rotate each other's.
		Path:       "aidbox/" + name + "/" + d.Namespace + "-" + d.Name,
		Key:        name,
		ObjectName: shortName(name+"-"+d.Namespace+"-"+d.Name, maxObjectName),
		Scope:      []string{client.Ref()},
		Value:      secret.Source{Generate: &secret.Generate{}},
	})
	d.Resources = append(d.Resources, client)
}
