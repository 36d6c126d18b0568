package cluster

import (
	"cmp"
	"context"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/secretctl/secretctl/internal/store"
)

// defaultPollInterval is the driver's --rotation-poll-interval if none is given.
const defaultPollInterval = 2 * time.Minute

// providerSocket is where a provider listens, such as /provider/vault.sock.
var providerSocket = regexp.MustCompile(`providers?/(\w+)\.sock$`)

// CSIDriver is the driver's registration with the cluster.
type CSIDriver struct {
	RequiresRepublish bool     // without it, no volume is published again, so none rotates
	Audiences         []string // of the tokens that kubelet gives the driver for each pod; "" is the API server's own
}

// CSIDriver returns the registration of the Secrets Store CSI driver.
func (c *Cluster) CSIDriver(ctx context.Context) (CSIDriver, error) {
	o := object{group: "storage.k8s.io", version: "v1", resource: "csidrivers", name: store.DriverName}
	found, err := get[storagev1.CSIDriver](ctx, c, o, nil)
	if err != nil {
		return CSIDriver{}, err
	}
	d := CSIDriver{RequiresRepublish: found.Spec.RequiresRepublish != nil && *found.Spec.RequiresRepublish}
	for _, r := range found.Spec.TokenRequests {
		d.Audiences = append(d.Audiences, r.Audience)
	}
	return d, nil
}

// DriverNodes returns the nodes whose kubelet knows the driver: on others, pods with its
// volumes cannot start.
func (c *Cluster) DriverNodes(ctx context.Context) ([]string, error) {
	found, err := list[storagev1.CSINode](ctx, c, object{group: "storage.k8s.io", version: "v1", resource: "csinodes"}, nil)
	if err != nil {
		return nil, err
	}
	var nodes []string
	for _, n := range found {
		if slices.ContainsFunc(n.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == store.DriverName }) {
			nodes = append(nodes, n.Name)
		}
	}
	return nodes, nil
}

// CRDs returns the versions that the cluster serves of each resource of the
// driver's API, by the resource's name. It takes no rights.
func (c *Cluster) CRDs(ctx context.Context) (map[string][]string, error) {
	group, err := get[metav1.APIGroup](ctx, c, object{group: secretsStoreGroup}, nil)
	if err != nil {
		return nil, err
	}
	served := map[string][]string{}
	for _, v := range group.Versions {
		list, err := get[metav1.APIResourceList](ctx, c, object{group: secretsStoreGroup, version: v.Version}, nil)
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") {
				served[r.Name] = append(served[r.Name], v.Version)
			}
		}
	}
	return served, nil
}

// RoleDriver is the role of the driver itself; any other is a provider's name.
const RoleDriver = "driver"

// Agent is a DaemonSet that runs the driver or a provider on each node.
type Agent struct {
	Role            string // "driver", or the provider's name: "vault", "azure"
	Namespace, Name string
	Container       string // the one that runs it
	Version         string // from the image's tag, without "v"; "" if that is no version
	Desired, Ready  int32  // pods
	Mounts          []string

	// Only of the driver: its flags, or their defaults.
	RotationEnabled bool
	PollInterval    time.Duration

	selector string
}

// Works reports whether it runs on every node where it should.
func (a Agent) Works() bool { return a.Desired > 0 && a.Ready >= a.Desired }

// Agents returns the DaemonSets of the driver and of its providers, in any namespace and
// under any name. The driver that runs on most nodes comes first.
func (c *Cluster) Agents(ctx context.Context) ([]Agent, error) {
	found, err := list[appsv1.DaemonSet](ctx, c, appsObject("daemonsets", "", ""), nil)
	if err != nil {
		return nil, err
	}
	return findAgents(found), nil
}

// AgentPod returns the agent's pod on a node.
func (c *Cluster) AgentPod(ctx context.Context, a Agent, node string) (Pod, error) {
	o := coreObject("pods", a.Namespace, "")
	found, err := list[corev1.Pod](ctx, c, o, query{"labelSelector": a.selector, "fieldSelector": "spec.nodeName=" + node})
	if err != nil {
		return Pod{}, err
	}
	for _, p := range found {
		if owner := metav1.GetControllerOf(&p); owner != nil && owner.Kind == "DaemonSet" && owner.Name == a.Name {
			return newPod(p), nil
		}
	}
	return Pod{}, absentError{"kubernetes: DaemonSet " + a.Name + " in namespace " + a.Namespace + " has no pod on node " + node}
}

func findAgents(sets []appsv1.DaemonSet) []Agent {
	var agents []Agent
	for _, s := range sets {
		for _, container := range s.Spec.Template.Spec.Containers {
			role := roleOf(container)
			if role == "" {
				continue
			}
			a := Agent{
				Role: role, Namespace: s.Namespace, Name: s.Name,
				Container: container.Name, Version: tagVersion(container.Image),
				Desired: s.Status.DesiredNumberScheduled, Ready: s.Status.NumberReady,
				selector: metav1.FormatLabelSelector(s.Spec.Selector),
			}
			for _, m := range container.VolumeMounts {
				a.Mounts = append(a.Mounts, m.MountPath)
			}
			if role == RoleDriver {
				a.readFlags(flagsOf(container))
			}
			agents = append(agents, a)
		}
	}
	slices.SortStableFunc(agents, func(a, b Agent) int {
		return cmp.Or(strings.Compare(a.order(), b.order()), cmp.Compare(b.Desired, a.Desired))
	})
	return agents
}

// order is the role to sort by: the driver comes first.
func (a Agent) order() string {
	if a.Role == RoleDriver {
		return ""
	}
	return a.Role
}

// roleOf recognizes a container by the flags that only the driver has, the socket on
// which a provider listens, or the name of the image, such as vault-csi-provider and
// provider-azure; "" is another container.
func roleOf(c corev1.Container) string {
	flags := flagsOf(c)
	repository, _ := splitImage(c.Image)
	_, volumes := flags["provider-volume"]
	_, rotates := flags["enable-secret-rotation"]
	if volumes || rotates || strings.HasSuffix(repository, "secrets-store-csi-driver") || strings.HasSuffix(repository, "secrets-store/driver") {
		return RoleDriver
	}
	if socket := providerSocket.FindStringSubmatch(flags["endpoint"]); socket != nil {
		return socket[1]
	}
	name := path.Base(repository)
	name, suffixed := strings.CutSuffix(name, "-csi-provider")
	name, prefixed := strings.CutPrefix(name, "provider-")
	if suffixed || prefixed {
		return name
	}
	return ""
}

func (a *Agent) readFlags(flags map[string]string) {
	a.RotationEnabled, _ = strconv.ParseBool(flags["enable-secret-rotation"])
	a.PollInterval = defaultPollInterval
	if d, err := time.ParseDuration(flags["rotation-poll-interval"]); err == nil {
		a.PollInterval = d
	}
}

// flagsOf returns the flags of a container's command line, by name. One without a value,
// before another flag or at the end, is "true".
func flagsOf(c corev1.Container) map[string]string {
	flags := map[string]string{}
	words := slices.Concat(c.Command, c.Args)
	for i, word := range words {
		name, isFlag := strings.CutPrefix(word, "-")
		if !isFlag {
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		if !given {
			value = "true"
			if i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				value = words[i+1]
			}
		}
		flags[name] = value
	}
	return flags
}

// splitImage cuts an image reference into repository and tag.
func splitImage(image string) (repository, tag string) {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		return image[:i], image[i+1:]
	}
	return image, ""
}

// tagVersion returns "1.6.0" of an image with the tag v1.6.0 or v1.6.0-suffix.
func tagVersion(image string) string {
	_, tag := splitImage(image)
	parsed, err := version.ParseGeneric(tag)
	if err != nil {
		return ""
	}
	return parsed.String()
}
