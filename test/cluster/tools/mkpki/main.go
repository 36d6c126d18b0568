// Command mkpki writes the certificates, keys and kubeconfigs of a Kubernetes of
// one node. They are for tests: whoever can read the folder owns the cluster.
package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: test, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
`

func main() {
	dir := flag.String("dir", "pki", "the folder to write to")
	node := flag.String("node", "node1", "the node's name")
	local := flag.String("local", "https://127.0.0.1:443", "the API server, for the node's own processes")
	remote := flag.String("remote", "", "the API server, for admin.kubeconfig")
	vault := flag.String("vault-hosts", "127.0.0.1", "addresses and names of Vault")
	hosts := flag.String("hosts", "127.0.0.1,localhost", "addresses and names of the API server and the kubelet")
	flag.Parse()
	if err := run(*dir, *node, *local, *remote, strings.Split(*hosts, ","), strings.Split(*vault, ",")); err != nil {
		slog.Error("mkpki", "error", err)
		os.Exit(1)
	}
}

func run(dir, node, local, remote string, hosts, vaultHosts []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f := &folder{path: dir}
	ca := f.authority("ca", "kubernetes-ca")
	front := f.authority("front-proxy-ca", "front-proxy-ca")
	f.issue("front-proxy-client", front, subject("front-proxy-client"))

	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	f.issue("apiserver", ca, subject("kube-apiserver"), append(names, hosts...)...)
	f.issue("apiserver-kubelet-client", ca, subject("kube-apiserver-kubelet-client", "system:masters"))
	f.issue("kubelet", ca, subject("system:node:"+node, "system:nodes"), append(hosts, node)...)

	// Vault's, by a CA of its own. The name is none that resolves.
	f.issue("vault", f.authority("vault-ca", "vault-ca"), subject("vault"), append(vaultHosts, "vault.internal")...)

	serviceAccounts := f.key("sa") // signs their tokens
	public, err := x509.MarshalPKIXPublicKey(serviceAccounts.Public())
	if err != nil {
		return err
	}
	f.pem("sa.pub", "PUBLIC KEY", public)

	users := []struct {
		name, server string
		subject      pkix.Name
	}{
		{"admin", remote, subject("kubernetes-admin", "system:masters")},
		{"kube-controller-manager", local, subject("system:kube-controller-manager")},
		{"kube-scheduler", local, subject("system:kube-scheduler")},
		{"kubelet-client", local, subject("system:node:"+node, "system:nodes")},
	}
	for _, u := range users {
		p := f.issue(u.name, ca, u.subject)
		f.write(u.name+".kubeconfig", fmt.Appendf(nil, kubeconfig, u.server,
			base64.StdEncoding.EncodeToString(ca.certPEM),
			base64.StdEncoding.EncodeToString(p.certPEM),
			base64.StdEncoding.EncodeToString(p.keyPEM)))
	}
	return f.err
}

func subject(name string, groups ...string) pkix.Name {
	return pkix.Name{CommonName: name, Organization: groups}
}
