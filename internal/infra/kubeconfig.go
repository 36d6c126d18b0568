package infra

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/secretctl/secretctl/internal/atomicfile"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/secret"
	"github.com/secretctl/secretctl/internal/store/keyvault/azure"
)

// Kubeconfig fetches the cluster's kubeconfig for users. It is a credential.
func (i *Infra) Kubeconfig(ctx context.Context) (secret.Value, error) {
	// For a cluster with Entra ID, kubectl supports no other format.
	options := &armcontainerservice.ManagedClustersClientListClusterUserCredentialsOptions{Format: new(armcontainerservice.FormatExec)}
	got, err := i.clusters.ListClusterUserCredentials(ctx, i.config.ResourceGroup, i.config.Cluster, options)
	o := i.cluster()
	switch {
	case i.absent(err):
		return secret.Value{}, hint.Wrap(fmt.Errorf("azure: %s: not found", o.Name), "run: secretctl infra")
	case err != nil:
		return secret.Value{}, i.fail(ctx, o, err)
	case len(got.Kubeconfigs) == 0 || got.Kubeconfigs[0] == nil || len(got.Kubeconfigs[0].Value) == 0:
		return secret.Value{}, fmt.Errorf("azure: %s: %w", o.Name, azure.ErrUnexpected)
	}
	return secret.New(got.Kubeconfigs[0].Value), nil
}

// WriteKubeconfig merges a kubeconfig into a file that only its owner can read, and makes
// its context the current one. It refuses to replace a cluster of the same name at
// another address.
func WriteKubeconfig(path string, fetched secret.Value) error {
	if err := writeKubeconfig(path, fetched); err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	return nil
}

func writeKubeconfig(path string, fetched secret.Value) error {
	more, err := clientcmd.Load(fetched.Reveal())
	if err != nil {
		return errors.New("Azure's answer is not a kubeconfig") // the parser's error may quote it
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	text, err := atomicfile.Read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return atomicfile.Reason(err)
	}
	merged, err := clientcmd.Load(text)
	if err != nil {
		return hint.Wrap(errors.New("is not a kubeconfig"), "give another file with --file")
	}
	if err := merge(merged, more); err != nil {
		return err
	}
	text, err = clientcmd.Write(*merged)
	if err != nil {
		return errors.New("cannot be merged")
	}
	return atomicfile.Reason(atomicfile.Write(path, text, 0o600))
}

// merge adds the entries of more to those of all.
func merge(all, more *clientcmdapi.Config) error {
	for name, cluster := range more.Clusters {
		if there := all.Clusters[name]; there != nil && there.Server != cluster.Server {
			return hint.Wrap(fmt.Errorf("has a cluster %q at another address, %s", name, plain(there.Server)), "%s", secret.Shellf("give another file with --file, or run: kubectl config delete-cluster %s", name))
		}
		all.Clusters[name] = cluster
	}
	maps.Copy(all.AuthInfos, more.AuthInfos)
	maps.Copy(all.Contexts, more.Contexts)
	all.CurrentContext = more.CurrentContext
	return nil
}

// plain returns an address without credentials.
func plain(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "which is not a URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
