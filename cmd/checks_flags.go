package cmd

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
)

// checkOptions are the flags of verify and rotate; status has some of them.
type checkOptions struct {
	target, mountPath, vaultConfig, jwtFile string
	deadline                                time.Duration
	nudge                                   bool
	parallel                                int
	reportFiles
}

func (o *checkOptions) addFlags(cmd *cobra.Command) {
	o.addTarget(cmd)
	f := cmd.Flags()
	f.StringVar(&o.vaultConfig, "vault-config", "", "the vault config on this machine (default: "+config.VaultConfigFile+")")
	f.DurationVar(&o.deadline, "rotation-deadline", 0, "how long a rotated value may take to reach the mount (default: computed from the driver's settings; 4m with --target local)")
	f.BoolVar(&o.nudge, "nudge", false, "annotate the pods after a rotation, so that the kubelet syncs them at once")
	o.reportFiles.addFlags(cmd)
}

// addTarget adds the flags that say how to look at the mount, and how to log in to the
// store.
func (o *checkOptions) addTarget(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "", "where to look at the mount: pod (every replica in the cluster) or local (this machine); default: pod if a cluster is configured")
	addEnum(cmd, "target", &o.target, targetPod, targetLocal, "")
	f.StringVar(&o.mountPath, "mount-path", "", "the mount on this machine (default: mountPath of the config)")
	f.IntVar(&o.parallel, "parallel", defaultParallel, "look into at most this many pods, and check this many Clients, at the same time")
	f.StringVar(&o.jwtFile, "vault-jwt-file", "", "without a Vault token, log in as the pod does, with the ServiceAccount's token in this file")
}

// defaultParallel is how many execs at the same time do not strain a cluster.
const defaultParallel = 16

// Where to look at the mount.
const (
	targetPod   = "pod"
	targetLocal = "local"
)

// check refuses flags that contradict each other.
func (o checkOptions) check() error {
	switch {
	case o.parallel < 1:
		return hint.Usage("the default is 16", "--parallel must be at least 1")
	case o.deadline < 0:
		return hint.Usage("write it like 90s or 4m", "--rotation-deadline must not be below zero")
	case o.target == targetPod && o.here():
		return hint.Usage("omit --mount-path and --vault-config, or use --target local", "--mount-path and --vault-config need --target local")
	case o.nudge && (o.target == targetLocal || o.target == "" && o.here()):
		return hint.Usage("omit it, or use --target pod", "--nudge needs --target pod")
	}
	return nil
}

// here reports whether flags name paths on this machine.
func (o checkOptions) here() bool { return o.mountPath != "" || o.vaultConfig != "" }

// checkGroups says what each group of checks is about.
const checkGroups = `  cluster   the prerequisites in the cluster: the driver, its provider, its CRDs
  store     the store has the secrets, and the pod can log in and read them
  aidbox    Aidbox is reachable and recent enough
  workload  the cluster has what the config says, and every replica runs
  mount     the files exist, are readable, and equal the store's values
  client    the resources exist and hold references, not literal secrets
  auth      Aidbox accepts the secret and rejects a wrong and an empty one
  scope     a Client outside the scope cannot use the secret (creates and deletes one)
  rotation  a new value arrives and is accepted, and the old one is rejected (writes
            to the store)`

// The groups and checks that cmd has to prepare for.
const (
	groupCluster  = "cluster"
	groupAidbox   = "aidbox"
	groupMount    = "mount"
	groupWorkload = "workload"
	groupClient   = "client"
	groupScope    = "scope"
	groupRotation = "rotation"

	checkStoreUpdated = "rotation/store-updated"
)
