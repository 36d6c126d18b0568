package config

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"
)

// ProviderVault is HashiCorp Vault.
const ProviderVault = "vault"

// The values of vault.policyScope.
const (
	PolicyExact  = "exact"
	PolicyPrefix = "prefix"
)

var vaultProvider = provider{
	name:           ProviderVault,
	choices:        map[string][]string{"vault.policyScope": {PolicyExact, PolicyPrefix}, "secrets[].encoding": encodings},
	secretKeys:     []string{"encoding"},
	setDefaults:    setVaultDefaults,
	validate:       validateVault,
	validateSecret: validateVaultSecret,
	stored:         func(d *Delivery, s Secret) string { return d.Vault.server() + d.DataPath(s) + "\x00" + s.Key },
	claim:          claimVault,
	provisioned:    provisionedInVault,
}

// Vault is the HashiCorp Vault that holds the secrets.
type Vault struct {
	Address        string `json:"address,omitempty"`
	CSIAddress     string `json:"csiAddress,omitempty"`
	Namespace      string `json:"namespace,omitempty"`
	KVMount        string `json:"kvMount,omitempty"`
	AuthMount      string `json:"authMount,omitempty"`
	Role           string `json:"role,omitempty"`
	Policy         string `json:"policy,omitempty"`
	PolicyScope    string `json:"policyScope,omitempty"`
	TokenTTL       string `json:"tokenTTL,omitempty"` // as time.ParseDuration reads it
	Audience       string `json:"audience,omitempty"`
	KubernetesHost string `json:"kubernetesHost,omitempty"` // "": leave that of an existing auth method

	// How the CSI provider checks Vault's certificate. The paths are those of its own pod.
	CSICACertPath    string `json:"csiCACertPath,omitempty"`
	CSICADirectory   string `json:"csiCADirectory,omitempty"`
	CSITLSServerName string `json:"csiTLSServerName,omitempty"`
	CSISkipTLSVerify bool   `json:"csiSkipTLSVerify,omitempty"`
}

// DefaultKubernetesHost is the API server that a new auth method asks to review tokens.
const DefaultKubernetesHost = "https://kubernetes.default.svc"

// CSIAgent is the csiAddress of a provider that reaches Vault through the agent beside it,
// with the agent's own address and TLS settings.
const CSIAgent = "agent"

// ByAgent reports whether the provider reaches Vault through its agent.
func (v *Vault) ByAgent() bool { return v.CSIAddress == CSIAgent }

// PodAddress returns the address at which pods reach Vault, as far as the config has it.
func (v *Vault) PodAddress() string {
	if v.ByAgent() {
		return v.Address
	}
	return v.CSIAddress
}

func setVaultDefaults(d *Delivery) {
	if d.Vault == nil {
		d.Vault = &Vault{}
	}
	v := d.Vault
	v.Address = cmp.Or(v.Address, "http://127.0.0.1:8200")
	v.CSIAddress = cmp.Or(v.CSIAddress, v.Address)
	v.KVMount = cmp.Or(v.KVMount, "secret")
	v.AuthMount = cmp.Or(v.AuthMount, "kubernetes")
	v.Role = cmp.Or(v.Role, d.Aidbox.ServiceAccount)
	v.Policy = cmp.Or(v.Policy, v.Role)
	v.PolicyScope = cmp.Or(v.PolicyScope, PolicyExact)
	v.TokenTTL = cmp.Or(v.TokenTTL, "1h")
	for i := range d.Secrets {
		s := &d.Secrets[i]
		s.Path = cmp.Or(s.Path, "aidbox/"+s.Name)
		s.Key = cmp.Or(s.Key, s.Name)
	}
}

// DataPath returns the API path of a secret's value in a KV version 2 engine, as policies
// and the SecretProviderClass name it: secret/data/aidbox/client.
func (d *Delivery) DataPath(s Secret) string {
	if d.Vault == nil {
		return ""
	}
	return d.Vault.KVMount + "/data/" + s.Path
}

// PolicyPaths returns the paths that the pod's policy lets it read, sorted, each once: those
// of the secrets, or with policyScope prefix everything in their folders.
func (d *Delivery) PolicyPaths() []string {
	var paths []string
	for _, s := range d.Secrets {
		p := d.DataPath(s)
		if d.Vault.PolicyScope == PolicyPrefix {
			p = path.Dir(p) + "/*"
		}
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// RotatePaths returns the paths, below the mount, of the secrets that the rotate job
// rotates, sorted, each once.
func (d *Delivery) RotatePaths() []string {
	var paths []string
	for _, s := range d.Rotated() {
		paths = append(paths, s.Path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// RotateRole returns the role of the rotate job.
func (v *Vault) RotateRole() string { return v.Role + rotateSuffix }

// RotatePolicy returns the policy that lets the rotate job write.
func (v *Vault) RotatePolicy() string { return v.Policy + rotateSuffix }

// vaultName is lower case, to which Vault converts the names of roles and policies.
var vaultName = like(`[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?`, "must be the name of a Vault role or policy",
	"a-z, 0-9 and _, and inside it - and .: Vault converts names to lower case")

func validateVault(d *Delivery, at *place) {
	v := d.Vault
	at.checkAll([]written{
		{"address", v.Address, addressWithout("/v1")},
		{"csiAddress", v.CSIAddress, csiAddress},
		{"namespace", v.Namespace, kvPath},
		{"kvMount", v.KVMount, kvMount},
		{"authMount", v.AuthMount, authMount},
		{"role", v.Role, vaultName},
		{"policy", v.Policy, vaultName},
		{"policyScope", v.PolicyScope, oneOf(PolicyExact, PolicyPrefix)},
		{"tokenTTL", v.TokenTTL, duration},
		{"kubernetesHost", v.KubernetesHost, address},
		{"csiCACertPath", v.CSICACertPath, containerPath},
		{"csiCADirectory", v.CSICADirectory, containerPath},
		{"csiTLSServerName", v.CSITLSServerName, serverName},
	})
	v.validateTLS(at)
	if v.Policy == "root" || v.Policy == "default" { // it may follow from the role
		at.key("policy").report("is a policy of Vault's own", "set vault.policy to another name")
	}
}

// validateTLS refuses settings that have no effect.
func (v *Vault) validateTLS(at *place) {
	for _, name := range []string{"csiCACertPath", "csiCADirectory", "csiTLSServerName", "csiSkipTLSVerify"} {
		switch key := at.key(name); {
		case key.node == nil:
		case v.ByAgent():
			key.report("has no effect with csiAddress: agent", "remove it: the agent has TLS settings of its own, in the chart of Vault")
		case !strings.HasPrefix(v.CSIAddress, "https://"):
			key.report("has no effect on an http address", "write vault.csiAddress as https://host:port, or remove it")
		}
	}
	if v.CSISkipTLSVerify && v.CSICACertPath+v.CSICADirectory != "" {
		at.key("csiSkipTLSVerify").report("contradicts the CA of csiCACertPath or csiCADirectory", "remove one")
	}
}

// csiAddress is an address, or the agent beside the provider.
func csiAddress(text string) (string, string) {
	if text == CSIAgent {
		return "", ""
	}
	message, hint := addressWithout("/v1")(text)
	return message, hint + ", or agent for the agent beside the CSI provider"
}

func validateVaultSecret(d *Delivery, s Secret, at *place, _ bool) {
	s.validateEncoding(at, "encoding", s.Encoding)
	ok := at.key("path").check(s.Path, secretPath(d.Vault.KVMount))
	if ok && d.Vault.PolicyScope == PolicyPrefix && !strings.Contains(s.Path, "/") {
		at.key("path").report("has no folder, so that vault.policyScope prefix would grant all of vault.kvMount",
			"put it into a folder, such as aidbox/NAME, or set vault.policyScope to exact")
	}
}

// claimVault claims the roles and policies of a delivery, the host of its auth method, and
// what it gives a value. A generated value never replaces an existing one.
func claimVault(shared claims, doc *document) {
	d, v, at := doc.delivery, doc.delivery.Vault, doc.root.key("vault")
	server := v.server()
	ttl, _ := time.ParseDuration(v.TokenTTL)
	claim := func(role, policy *place, suffix string, paths []string) {
		shared.add(role, server+"role\x00"+v.AuthMount+"\x00"+v.Role+suffix,
			[]string{d.Aidbox.ServiceAccount + suffix, d.Namespace, v.Policy + suffix, v.Audience, ttl.String()},
			"the same role as in %s, with another ServiceAccount, namespace, policy, audience or tokenTTL", "set vault.role, or aidbox.serviceAccount")
		shared.add(policy, server+"policy\x00"+v.Policy+suffix, append(paths, suffix),
			"the same policy as in %s, with other paths", "set vault.policy")
	}
	claim(at.key("role"), at.key("policy"), "", d.PolicyPaths())
	if job := doc.root.key("rotateJob"); d.RotateJob != nil {
		claim(job, job, rotateSuffix, d.RotatePaths())
	}
	for i, s := range d.Secrets {
		if !s.Value.IsZero() && s.Value.Generate == nil {
			shared.add(doc.secretAt(i), server+d.DataPath(s)+"\x00"+s.Key, []string{s.Value.String()},
				"the same place in Vault as in %s, with another source of its value", "leave value out in all but one of them")
		}
	}
	if v.KubernetesHost != "" {
		shared.add(at.key("kubernetesHost"), server+"auth\x00"+v.AuthMount, []string{v.KubernetesHost},
			"the same authMount as in %s, with another kubernetesHost", "set vault.authMount")
	}
}

// server identifies a Vault, or a namespace in it.
func (v *Vault) server() string {
	return strings.TrimSuffix(v.Address, "/") + "\x00" + v.Namespace + "\x00"
}

// provisionedInVault leaves out the auth method: all deliveries of a cluster share it, and
// may write it at the same time.
func provisionedInVault(d *Delivery) []string {
	server := d.Vault.server()
	var all []string
	for _, s := range d.Secrets {
		all = append(all, server+d.DataPath(s))
	}
	for _, suffix := range []string{"", rotateSuffix} {
		all = append(all, server+"policy\x00"+d.Vault.Policy+suffix, server+d.Vault.AuthMount+"\x00"+d.Vault.Role+suffix)
	}
	return all
}
