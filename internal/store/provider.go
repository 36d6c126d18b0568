package store

import (
	"context"

	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// Provider is a kind of store: what is known of it without a connection. Each store
// has one, as a literal, and store/providers lists them.
type Provider struct {
	Name     string   // in the config and in a SecretProviderClass: "vault"
	Title    string   // for people: "HashiCorp Vault"
	Phases   []string // the names of the steps, in their order
	Recovers bool     // Options.Adopt and Recover mean something

	// TokenVariable is the environment variable of Options.Token; "" where that and
	// Options.Login mean nothing.
	TokenVariable string
	// Environment has a delivery follow the store's own environment variables, and
	// returns what to warn of. It is nil where there are none.
	Environment func(d *config.Delivery, lookup func(string) (string, bool)) (warnings []string)
	// Server names what has the secrets of a delivery: an address, or names.
	Server func(d *config.Delivery) string

	// Open returns the store of a delivery and makes no request.
	Open func(d *config.Delivery, o Options) (Store, error)
	// FillIn looks up what the manifests need and the config leaves empty, and writes
	// it into the delivery. With nothing left empty it asks nobody. It is nil where
	// nothing can be left empty.
	FillIn func(ctx context.Context, d *config.Delivery, o Options) ([]Found, error)

	// FillInRotateJob is FillIn for the rotate job of a delivery that has one.
	FillInRotateJob func(ctx context.Context, d *config.Delivery, o Options) ([]Found, error)

	// Classes returns the SecretProviderClasses of a delivery. They are written
	// nowhere else: render prints them, verify and diff compare with them.
	Classes func(d *config.Delivery) []Class
	// Compare says how a SecretProviderClass of the cluster differs from one of the
	// delivery: wrong does not mean what the delivery means, odd does no harm. A
	// default that is left out is no difference, and what is unknown is not compared.
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
	// TokenRequests returns for which audiences the CSIDriver object should request
	// tokens; none where the provider takes none.
	TokenRequests func(d *config.Delivery) []string
	// RequestsTokens says that the provider itself requests the token that the
	// CSIDriver object does not.
	RequestsTokens bool
	// Annotations returns what the pod's ServiceAccount is annotated with, such as whom
	// it stands for.
	Annotations func(d *config.Delivery) map[string]string
	// StatusID is how the driver's status of a pod names a secret.
	StatusID func(s config.Secret) string
	// ShortenMountError shortens what the provider of the CSI driver says of a mount
	// that failed, in an event or in its log, to the part that matters. Any other text
	// stays as it is. It is nil where the provider says no more than that.
	ShortenMountError func(text string) string
	// Place says where a secret is in the store: the parts of its address.
	Place func(d *config.Delivery, s config.Secret) []string

	// Address is where the provider of the CSI driver reaches the store; "" where the
	// config does not say.
	Address func(d *config.Delivery) string
	// Files are what the pod of the CSI driver's provider needs, besides what its chart
	// gives it. It is nil where that is nothing.
	Files func(d *config.Delivery) []string
	// Job says how a Job logs in whose token is in a file.
	Job func(d *config.Delivery, tokenFile string) Job
	// RotateJob is Job for the rotate job of a delivery that has one.
	RotateJob func(d *config.Delivery, tokenFile string) Job

	Chart       Chart  // of the provider of the CSI driver
	InstallHint string // how that is installed
}
