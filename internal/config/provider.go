package config

import "slices"

// provider is what the config knows of one kind of store: a section of the file,
// the keys of a secret that are for it alone, and what deliveries share in it. Each
// has a file of its own, named after its section, that begins with the literal.
type provider struct {
	name       string              // of the provider, and of its section
	secretKeys []string            // those of secrets[] that another provider does not have
	choices    map[string][]string // the keys that take one of a few words

	setDefaults func(d *Delivery)
	validate    func(d *Delivery, section *place)
	// validateSecret reports what is wrong with where a secret is stored, and with
	// what else is for this provider. named says that its name is valid.
	validateSecret func(d *Delivery, s Secret, at *place, named bool)
	stored         func(s Secret) [2]string // the same for two secrets in the same place of the store
	claim          func(shared claims, doc *document)
	provisioned    func(d *Delivery) []string
}

// providerTable has a line for each provider.
func providerTable() []provider { return []provider{vaultProvider, azureProvider} }

// Providers returns the names of the providers.
func Providers() []string {
	var names []string
	for _, p := range providerTable() {
		names = append(names, p.name)
	}
	return names
}

// provider returns that of the delivery; ok is false where it names none.
func (d *Delivery) provider() (p provider, ok bool) {
	all := providerTable()
	i := slices.IndexFunc(all, func(p provider) bool { return p.name == d.Provider })
	if i < 0 {
		return provider{}, false
	}
	return all[i], true
}

// validateProvider checks the section of the delivery's provider, and that there is
// none of another.
func (doc *document) validateProvider(of provider) {
	for _, other := range providerTable() {
		if section := doc.root.key(other.name); section.node != nil && other.name != of.name {
			section.report("is not for this provider", "remove it, or change provider")
		}
	}
	of.validate(doc.delivery, doc.root.key(of.name))
}

// validateStored checks where a secret is in its store.
func (doc *document) validateStored(of provider, s Secret, at *place, named bool) {
	for _, other := range providerTable() {
		for _, key := range other.secretKeys {
			if only := at.key(key); only.node != nil && other.name != of.name {
				only.report("is not for this provider", "remove it: only provider "+other.name+" has it")
			}
		}
	}
	of.validateSecret(doc.delivery, s, at, named)
}

// Provisioned names what provisioning the delivery writes to, across deliveries: two
// that have a name in common take turns.
func (d *Delivery) Provisioned() []string {
	if p, ok := d.provider(); ok {
		return p.provisioned(d)
	}
	return nil
}
