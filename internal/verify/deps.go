package verify

import (
	"context"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Dependencies is what the checks of one delivery look at and act on. A package or
// a client that answers is an interface here; what is nil is not there, and the
// checks about it say so.
type Dependencies struct {
	Provider store.Provider
	Store    store.Store
	// Source returns the value of a secret's own source. It is called only for
	// sources that give the same value each time: env and file.
	Source func(ctx context.Context, s config.Secret) (secret.Value, error)

	Aidbox Aidbox // whatever answers at aidbox.url
	// AidboxAt returns the Aidbox of one pod, whatever aidbox.url says. Nil: each
	// replica cannot be asked by itself.
	AidboxAt func(p cluster.Pod) Aidbox
	Admin    Admin // nil where nothing may be done as an administrator

	Cluster *cluster.Cluster // where the delivery runs; nil where that is not asked
	Local   *Local           // the mount on this machine; nil for those in the pods of the Cluster

	// Why Admin or Cluster is nil, where that is not on purpose: then what it would say
	// is unknown, and not skipped.
	NoAdmin, NoCluster error

	Sanitizer *secret.Sanitizer // learns every value, and cleans what servers say
}

// Aidbox is what anybody may ask of it. A status that is not 200 is no error: err
// is for requests without an answer, and detail is what the server said.
type Aidbox interface {
	// Health asks once, without trying again, whether Aidbox is up.
	Health(ctx context.Context) error
	// Probe requests a path as a Client, by Basic authentication.
	Probe(ctx context.Context, path, clientID string, v secret.Value) (status int, detail string, err error)
	// Token requests an access token by the client_credentials grant.
	Token(ctx context.Context, clientID string, v secret.Value) (status int, detail string, err error)
}

// Admin is what Aidbox's administrator may ask of it.
type Admin interface {
	Version(ctx context.Context) (string, error)
	// References returns what Aidbox has for a resource: the secret that each field
	// refers to, and the fields that hold a literal value. An absent resource is an
	// fs.ErrNotExist.
	References(ctx context.Context, r config.Resource) (refs map[string]string, literals []string, err error)
	Apply(ctx context.Context, r config.Resource) error
	Delete(ctx context.Context, resourceType, id string) error
}
