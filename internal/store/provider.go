package store

import (
	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// Provider is a kind of store: what is known of it without a connection. Each store
// has one, as a literal, and store/providers lists them.
type Provider struct {
	Name   string   // in the config and in a SecretProviderClass: "vault"
	Title  string   // for people: "HashiCorp Vault"
	Phases []string // the names of the steps, in their order

	// Open returns the store of a delivery and makes no request.
	Open func(d *config.Delivery, o Options) (Store, error)

	// Classes returns the SecretProviderClasses of a delivery. They are written
	// nowhere else: render prints them, verify and diff compare with them.
	Classes func(d *config.Delivery) ([]Class, error)
	// Compare says how a SecretProviderClass of the cluster differs from one of the
	// delivery: wrong does not mean what the delivery means, odd does no harm. A
	// default that is left out is no difference.
	Compare func(want Class, live secretsstorev1.SecretProviderClassSpec) (wrong, odd []string)
	// Read is the inverse of Classes: it fills in a delivery's section of the store
	// and its secrets from a SecretProviderClass of the cluster.
	Read func(live secretsstorev1.SecretProviderClassSpec, d *config.Delivery) error

	// LoginOnNode says that the pod's login can be made on its node alone.
	LoginOnNode func(d *config.Delivery) bool
	// PodIdentity says who the pod is in the store: `with role "aidbox"`.
	PodIdentity func(d *config.Delivery) string
	// Audiences returns for which audiences the token is that the store gets to see;
	// requested are those of the CSIDriver object.
	Audiences func(d *config.Delivery, requested []string) []string
	// StatusID is how the driver's status of a pod names a secret.
	StatusID func(s config.Secret) string

	InstallHint string // how the provider of the CSI driver is installed
}

// Class is a SecretProviderClass of a delivery.
type Class struct {
	Name       string
	Provider   string
	Parameters []Parameter // without "objects"; in the order in which they are printed
	Objects    []Object    // one for each file
	Secrets    []config.Secret
}

// Parameter is one of a SecretProviderClass.
type Parameter struct{ Name, Value string }

// Object is what the provider makes a file of, key by key in the order in which
// they are printed.
type Object []Parameter
