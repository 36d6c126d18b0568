package verify

import (
	"context"
	"io/fs"
	"strconv"
	"time"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
	"github.com/secretctl/secretctl/internal/store/providers"
)

// fakes are the dependencies of the checks, each a func.
type fakes struct {
	Stored  func(ctx context.Context, s config.Secret) (secret.Value, string, error) // nil: no token
	Before  func() secret.Value
	History func() (values []string, written []time.Time, err error) // the newest first
	Put     func(ctx context.Context, s config.Secret, v secret.Value) (string, error)
	Reach   func(ctx context.Context) (string, error)
	Newest  func(ctx context.Context, s config.Secret) ([]string, error) // nil: the status has no version
	LogIn   func(ctx context.Context, jwt secret.Value) (store.Session, error)
	Granted func(ctx context.Context) (string, error) // not nil: only the node can log in

	ValidFrom, ValidUntil time.Time

	Source func(ctx context.Context, s config.Secret) (secret.Value, error)

	// Admin is nil where one of these is.
	References     func(ctx context.Context, r config.Resource) (map[string]string, []string, error)
	ApplyResource  func(ctx context.Context, r config.Resource) error
	DeleteResource func(ctx context.Context, resourceType, id string) error
	Version        func(ctx context.Context) (string, error)

	Health  func(ctx context.Context) error
	Probe   func(ctx context.Context, path, clientID string, v secret.Value) (int, string, error)
	Token   func(ctx context.Context, clientID string, v secret.Value) (int, string, error)
	ProbeAt func(ctx context.Context, p cluster.Pod, path, clientID string, v secret.Value) (int, string, error) // nil: no pod by itself
	TokenAt func(ctx context.Context, p cluster.Pod, clientID string, v secret.Value) (int, string, error)

	Local              *Local
	Cluster            *cluster.Cluster
	NoAdmin, NoCluster error
}

func (f *fakes) dependencies(d *config.Delivery) Dependencies {
	provider := providers.Of(providers.All(azure.Access{}), d)
	provider.LoginOnNode = func(*config.Delivery) bool { return f.Granted != nil }

	w := Dependencies{
		Provider: provider, Store: fakeStore{fakes: f}, Source: f.Source, Aidbox: fakeAidbox{f},
		Local: f.Local, Cluster: f.Cluster, NoAdmin: f.NoAdmin, NoCluster: f.NoCluster, Sanitizer: &secret.Sanitizer{},
	}
	if f.References != nil && f.ApplyResource != nil && f.DeleteResource != nil && f.Version != nil {
		w.Admin = fakeAdmin{f}
	}
	if f.ProbeAt != nil {
		w.AidboxAt = func(p cluster.Pod) Aidbox { return podAidbox{fakeAidbox{f}, p} }
	}
	return w
}

type fakeStore struct {
	store.Store
	*fakes
}

func (f fakeStore) Reach(ctx context.Context) (string, error) { return f.fakes.Reach(ctx) }

func (f fakeStore) Get(ctx context.Context, s config.Secret) (secret.Value, string, error) {
	if f.Stored == nil {
		return secret.Value{}, "", store.ErrNoToken
	}
	return f.Stored(ctx, s)
}

func (f fakeStore) Put(ctx context.Context, s config.Secret, v secret.Value) (string, error) {
	return f.fakes.Put(ctx, s, v)
}

func (f fakeStore) Previous(context.Context, config.Secret) (secret.Value, error) {
	return f.Before(), nil
}

func (f fakeStore) Versions(context.Context, config.Secret) (versions []store.Version, err error) {
	_, written, err := f.History()
	for i, at := range written {
		versions = append(versions, store.Version{ID: strconv.Itoa(i), Created: at})
	}
	return versions, err
}

func (f fakeStore) GetVersion(_ context.Context, _ config.Secret, id string) (secret.Value, error) {
	values, _, _ := f.History()
	i, err := strconv.Atoi(id)
	if err != nil || values[i] == "" {
		return secret.Value{}, fs.ErrNotExist
	}
	return value(values[i]), nil
}

func (f fakeStore) StatusVersions(ctx context.Context, s config.Secret) ([]string, error) {
	if f.Newest == nil {
		return nil, store.ErrNoStatusVersion
	}
	return f.Newest(ctx, s)
}

func (f fakeStore) Login(ctx context.Context, jwt secret.Value) (store.Session, error) {
	if f.LogIn == nil {
		return nil, errUnreachable
	}
	return f.LogIn(ctx, jwt)
}

func (f fakeStore) Validity(context.Context, config.Secret) (from, until time.Time, err error) {
	return f.ValidFrom, f.ValidUntil, nil
}

func (f fakeStore) Granted(ctx context.Context) (string, error) { return f.fakes.Granted(ctx) }

type fakeAidbox struct{ *fakes }

func (f fakeAidbox) Health(ctx context.Context) error { return f.fakes.Health(ctx) }

func (f fakeAidbox) Probe(ctx context.Context, path, id string, v secret.Value) (int, string, error) {
	return f.fakes.Probe(ctx, path, id, v)
}

func (f fakeAidbox) Token(ctx context.Context, id string, v secret.Value) (int, string, error) {
	return f.fakes.Token(ctx, id, v)
}

type podAidbox struct {
	fakeAidbox
	pod cluster.Pod
}

func (f podAidbox) Probe(ctx context.Context, path, id string, v secret.Value) (int, string, error) {
	return f.ProbeAt(ctx, f.pod, path, id, v)
}

func (f podAidbox) Token(ctx context.Context, id string, v secret.Value) (int, string, error) {
	return f.TokenAt(ctx, f.pod, id, v)
}

type fakeAdmin struct{ *fakes }

func (f fakeAdmin) Version(ctx context.Context) (string, error) { return f.fakes.Version(ctx) }

func (f fakeAdmin) References(ctx context.Context, r config.Resource) (map[string]string, []string, error) {
	return f.fakes.References(ctx, r)
}

func (f fakeAdmin) Apply(ctx context.Context, r config.Resource) error {
	return f.ApplyResource(ctx, r)
}

func (f fakeAdmin) Delete(ctx context.Context, resourceType, id string) error {
	return f.DeleteResource(ctx, resourceType, id)
}
