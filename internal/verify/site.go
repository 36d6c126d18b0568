package verify

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/secretctl/secretctl/internal/cluster"
	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/secret"
)

// site is what runs for a delivery in the cluster.
type site struct {
	d  *config.Delivery
	c  *cluster.Cluster
	w  Dependencies
	vs *values

	workload cluster.Workload
	err      error // why the workload is not known

	mu   sync.Mutex
	gone map[string]bool // pods that went away while they were looked at, by UID
}

// visit looks at the workload; nil for the local target, and for groups that are
// not about it.
func visit(ctx context.Context, d *config.Delivery, w Dependencies, vs *values, groups []string) *site {
	about := []string{"workload", "mount", "auth", "scope", "rotation"}
	if w.Cluster == nil || !slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(about, g) }) {
		return nil
	}
	s := &site{d: d, c: w.Cluster, w: w, vs: vs, gone: map[string]bool{}}
	s.workload, s.err = s.c.Workload(ctx, d.Namespace, d.Aidbox.Deployment)
	return s
}

// deployment is the subject of what is about all replicas.
func (s *site) deployment() string { return "deployment/" + s.d.Aidbox.Deployment }

// replicas returns the pods that count: not those that are going away or have ended.
func (s *site) replicas() []cluster.Pod {
	return slices.DeleteFunc(slices.Clone(s.workload.Pods), func(p cluster.Pod) bool {
		return p.Terminating || p.Phase == "Succeeded" || p.Phase == "Failed"
	})
}

// mounts returns one mount for each replica, and where there is none, one that
// says so: what nobody looked at must not look well.
func (s *site) mounts() []Mount {
	var mounts []Mount
	for _, p := range s.replicas() {
		mounts = append(mounts, s.mount(p))
	}
	if len(mounts) == 0 {
		mounts = append(mounts, s.noMount())
	}
	return mounts
}

func (s *site) noMount() Mount {
	r := Fail("no pod of Deployment %s runs in namespace %s, so nothing is mounted", s.d.Aidbox.Deployment, s.d.Namespace).
		WithHint("secretctl verify workload tells why")
	err := errNoReplica
	if s.err != nil && !errors.Is(s.err, fs.ErrNotExist) {
		r, err = s.vs.unknown(s.err), s.err
	}
	look := func(context.Context, config.Secret) Result { return r }
	return Mount{
		Replica: s.deployment(), Present: look, Readable: look,
		Status:      func(context.Context, config.Secret) Result { return Skip("%v", errNoReplica) },
		Digest:      func(context.Context, config.Secret) (string, error) { return "", err },
		Read:        func(context.Context, config.Secret) (secret.Value, error) { return secret.Value{}, err },
		VaultConfig: func(context.Context) ([]byte, error) { return nil, err },
	}
}

// replaced returns the mounts of pods that came in the place of those that went
// away since the workload was looked at. It looks once more, and no more.
func (s *site) replaced(ctx context.Context) []Mount {
	if s == nil || len(s.gone) == 0 {
		return nil
	}
	known := map[string]bool{}
	for _, p := range s.workload.Pods {
		known[p.UID] = true
	}
	s.workload, s.err = s.c.Workload(ctx, s.d.Namespace, s.d.Aidbox.Deployment)
	if len(s.replicas()) == 0 {
		return []Mount{s.noMount()}
	}
	var mounts []Mount
	for _, p := range s.replicas() {
		if !known[p.UID] {
			mounts = append(mounts, s.mount(p))
		}
	}
	return mounts
}

// aidboxIn finds the container that Aidbox is in: of those that have the secrets
// where they belong the one that is told of the vault config.
func (s *site) aidboxIn(spec cluster.Spec) cluster.Container {
	best, bestRank := cluster.Container{Name: "aidbox"}, -1
	for _, c := range spec.Containers {
		rank := 0
		if slices.ContainsFunc(c.Mounts, s.hasSecrets) {
			rank += 4
		}
		if len(c.VaultConfig) > 0 {
			rank += 2
		}
		if c.Name == "aidbox" {
			rank++
		}
		if rank > bestRank {
			best, bestRank = c, rank
		}
	}
	return best
}

// hasSecrets says whether a volume of the driver is where the secrets belong.
func (s *site) hasSecrets(m cluster.Mount) bool {
	return m.Volume.SecretProviderClass != "" && slices.ContainsFunc(s.d.Secrets, func(wanted config.Secret) bool {
		folder := s.d.MountFolder(wanted)
		return within(folder, m.Path) || within(m.Path, folder)
	})
}

// within says whether a path is in a folder, or is the folder.
func within(folder, file string) bool {
	folder, file = path.Clean(folder), path.Clean(file)
	return folder == file || strings.HasPrefix(file, folder+"/")
}

// Why there is nothing to look at.
var (
	errNoReplica = errors.New("there is no pod to look at")
	errGone      = errors.New("the pod went away while it was looked at")
)

// unseen says whether an error means that there is no running container to look
// into. mount/present says what is to be said of that.
func unseen(err error) bool {
	return errors.Is(err, errNoReplica) || errors.Is(err, errGone) || errors.Is(err, cluster.ErrNotRunning)
}

// podGone says whether a pod is not there any more, or on its way out.
func (s *site) podGone(ctx context.Context, p cluster.Pod) bool {
	live, err := s.c.Pod(ctx, p.Namespace, p.Name)
	return errors.Is(err, fs.ErrNotExist) || err == nil && (live.Terminating || live.UID != p.UID)
}
