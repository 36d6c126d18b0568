package verify

import (
	"context"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
)

// Dependencies is what the checks of one delivery read and write. A check that needs one that
// is nil says so.
type Dependencies struct {
	Provider store.Provider
	Store    store.Store
	// Source returns the value of a secret's own source, of those that return the same value
	// each time: env and file.
	Source func(ctx context.Context, s config.Secret) (secret.Value, error)

	Aidbox Aidbox // at aidbox.url
	// AidboxAt returns the Aidbox of one pod. It may be nil.
	AidboxAt func(p cluster.Pod) Aidbox
	Admin    Admin // nil without administrator access

	Cluster *cluster.Cluster // where the delivery runs; may be nil
	Local   *Local           // the mount on this machine; nil to look into the pods of Cluster

	// The error if Admin or Cluster is nil because of one: then checks that need it are
	// unknown, not skipped.
	NoAdmin, NoCluster error

	Sanitizer *secret.Sanitizer // learns every value, and cleans text from servers
}

// Aidbox has the requests that need no administrator. A status other than 200 is not an error:
// err is for requests without a response, and detail is what the server said.
type Aidbox interface {
	// Health reports whether Aidbox is healthy, without retrying.
	Health(ctx context.Context) error
	// Probe requests a path as a Client, by Basic authentication.
	Probe(ctx context.Context, path, clientID string, v secret.Value) (status int, detail string, err error)
	// Token requests an access token by the client_credentials grant.
	Token(ctx context.Context, clientID string, v secret.Value) (status int, detail string, err error)
}

// Admin has the requests that need an administrator.
type Admin interface {
	Version(ctx context.Context) (string, error)
	// References returns what Aidbox has for a resource: the secret that each field
	// refers to, and the fields that hold a literal value. An absent resource is an
	// fs.ErrNotExist.
	References(ctx context.Context, r config.Resource) (refs map[string]string, literals []string, err error)
	Apply(ctx context.Context, r config.Resource) error
	Delete(ctx context.Context, resourceType, id string) error
}
