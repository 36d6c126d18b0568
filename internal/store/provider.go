package store

import (
	"context"

	secretsstorev1 "sigs.k8s.io/secrets-store-csi-driver/apis/v1"

	"github.com/secretctl/secretctl/internal/config"
)

// FillIn looks up settings that a delivery leaves empty, and writes them into it.
type FillIn = func(ctx context.Context, d *config.Delivery, o Options) ([]Found, error)

// Provider describes a kind of store without connecting to it. Each store has one, as a
// literal, and store/providers lists them.
type Provider struct {
	Name     string   // in the config and in a SecretProviderClass: "vault"
	Title    string   // for people: "HashiCorp Vault"
	Phases   []string // the names of the steps, in their order
	Recovers bool     // whether it uses Options.Adopt and Recover

	// TokenVariable is the environment variable of Options.Token; "" for a store without
	// tokens.
	TokenVariable string
	// Variables are the environment variables that the store's library reads itself, except
	// for TokenVariable.
	Variables []string
	// Environment applies the store's own environment variables to a delivery. It is nil
	// if there are none.
	Environment func(d *config.Delivery, lookup func(string) (string, bool)) (warnings []string)
	// Server names the server of a delivery's secrets: an address, or names.
	Server func(d *config.Delivery) string

	// Open returns the store of a delivery, and makes no request.
	Open func(d *config.Delivery, o Options) (Store, error)
	// FillIn fills in what the manifests need. If nothing is empty, it makes no request.
	// It is nil if nothing may be left empty.
	FillIn FillIn
	// FillInRotateJob is FillIn for the rotate job of a delivery that has one.
	FillInRotateJob FillIn

	// Classes returns the SecretProviderClasses of a delivery. This is the only place that
	// defines them: render prints them, verify and diff compare with them.
	Classes func(d *config.Delivery) []Class
	// Compare says how a live SecretProviderClass differs from one of the delivery: wrong
	// means something else, odd does no harm. It fills in defaults, and does not compare
	// what is unknown.
	Compare func(want Class, live secretsstorev1.SecretProviderClassSpec) (wrong, odd []string)
	// Read is the inverse of Classes: it fills in a delivery's section of the store, and
	// its secrets, from a live SecretProviderClass.
	Read func(live secretsstorev1.SecretProviderClassSpec, d *config.Delivery) error

	// LoginOnNode reports whether only the pod's node can make its login.
	LoginOnNode func(d *config.Delivery) bool
	// PodIdentity says who the pod is in the store: `with role "aidbox"`.
	PodIdentity func(d *config.Delivery) string
	// Audiences returns the audiences of the token that the store gets to see; requested
	// are those of the CSIDriver object.
	Audiences func(d *config.Delivery, requested []string) []string
	// TokenRequests returns the audiences for which the CSIDriver object should request
	// tokens.
	TokenRequests func(d *config.Delivery) []string
	// RequestsTokens says whether the provider itself requests the token if the CSIDriver
	// object does not.
	RequestsTokens bool
	// Annotations returns the annotations of the pod's ServiceAccount.
	Annotations func(d *config.Delivery) map[string]string
	// StatusID is the id of a secret in the driver's status of a pod.
	StatusID func(s config.Secret) string
	// ShortenMountError shortens what the CSI provider says of a failed mount, in an event
	// or in its log, to the part that matters. It is nil if there is nothing to shorten.
	ShortenMountError func(text string) string
	// Place says where a secret is in the store: the parts of its address.
	Place func(d *config.Delivery, s config.Secret) []string

	// Address is where the CSI provider reaches the store; "" if the config does not say.
	Address func(d *config.Delivery) string
	// Files are the files that the CSI provider's pod needs, besides those of its chart.
	// It is nil if it needs none.
	Files func(d *config.Delivery) []string
	// Job says how a Job logs in, whose token is in a file.
	Job func(d *config.Delivery, tokenFile string) Job
	// RotateJob is Job for the rotate job of a delivery that has one.
	RotateJob func(d *config.Delivery, tokenFile string) Job

	Chart       Chart  // of the CSI provider
	InstallHint string // how to install it
}
