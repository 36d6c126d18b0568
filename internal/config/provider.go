package config

import "slices"

// provider is a kind of store: a section of the config, keys of a secret, and what
// deliveries share in it. Each has a file, named after its section.
type provider struct {
	name       string              // also of its section
	secretKeys []string            // keys of secrets[] that only it has
	choices    map[string][]string // keys that take one of a few words

	setDefaults func(d *Delivery)
	validate    func(d *Delivery, section *place)
	// validateSecret checks the keys of a secret that this provider has. named reports
	// whether its name is valid.
	validateSecret func(d *Delivery, s Secret, at *place, named bool)
	stored         func(d *Delivery, s Secret) string // identifies where it is, in all stores
	claim          func(shared claims, doc *document)
	provisioned    func(d *Delivery) []string
}

func providerTable() []provider { return []provider{vaultProvider, azureProvider} }

// Providers returns the names of the providers.
func Providers() []string {
	var names []string
	for _, p := range providerTable() {
		names = append(names, p.name)
	}
	return names
}

// provider returns the delivery's provider; ok is false if it names none.
func (d *Delivery) provider() (p provider, ok bool) {
	all := providerTable()
	i := slices.IndexFunc(all, func(p provider) bool { return p.name == d.Provider })
	if i < 0 {
		return provider{}, false
	}
	return all[i], true
}

// validateProvider checks the section of the delivery's provider, and refuses any other.
func (doc *document) validateProvider(of provider) {
	for _, other := range providerTable() {
		if section := doc.root.key(other.name); section.node != nil && other.name != of.name {
			section.report("is not for this provider", "remove it, or change provider")
		}
	}
	of.validate(doc.delivery, doc.root.key(of.name))
}

// validateStored checks the keys of a secret that depend on the provider.
func (doc *document) validateStored(of provider, s Secret, at *place, named bool) {
	for _, other := range providerTable() {
		for _, key := range other.secretKeys {
			if only := at.key(key); only.node != nil && other.name != of.name {
				only.report("is not for this provider", "remove it: it is only for provider "+other.name)
			}
		}
	}
	of.validateSecret(doc.delivery, s, at, named)
}

// StoredAs identifies where a secret is stored. Deliveries in which that is the same share
// its value.
func (d *Delivery) StoredAs(s Secret) string {
	if p, ok := d.provider(); ok {
		return p.stored(d, s)
	}
	return ""
}

// Provisioned names the objects that provisioning the delivery writes. Deliveries that
// have one in common take turns.
func (d *Delivery) Provisioned() []string {
	if p, ok := d.provider(); ok {
		return p.provisioned(d)
	}
	return nil
}
