// Package sandbox holds stand-ins for the servers that deliver a secret: Vault,
// Azure Key Vault, the part of Kubernetes that mints and reviews ServiceAccount
// tokens, the kubelet with its CSI driver and their providers, and Aidbox. Each
// listens on a loopback port or writes below a folder, and answers as the real
// one does wherever a client or a user can tell, errors included.
//
// The stand-ins form an opinion of their own: they parse what is rendered and
// sent, and share no code with the packages that render and send it. They keep
// everything in memory but the mounted files, and they never quote a secret
// value, not even one that they refuse.
package sandbox
