// Package sandbox has a stand-in for each server that delivers a secret: Vault, Azure
// with its Key Vaults, the part of Kubernetes that reviews ServiceAccount tokens, the
// CSI driver that mounts a pod's volumes, and Aidbox. The demo, secretctl sandbox and
// tests use them, and they imitate what these need and no more.
//
// A stand-in parses what secretctl renders and sends with code of its own, so that it
// does not share a mistake. It keeps everything in memory but the mounted files, and
// never quotes a secret value, not even one that it refuses.
package sandbox
