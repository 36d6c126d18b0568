package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// daemonSet returns a DaemonSet with a helper container before the main one.
func daemonSet(name, image string, desired int32, args ...string) appsv1.DaemonSet {
	s := appsv1.DaemonSet{}
	s.Name, s.Namespace = name, "kube-system"
	s.Status.DesiredNumberScheduled, s.Status.NumberReady = desired, desired-1
	s.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "node-driver-registrar", Image: "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.16.0", Args: []string{"--csi-address=/csi/csi.sock"}},
		{Name: "main", Image: image, Args: args},
	}
	return s
}

func TestAgentsAreRecognizedByTheirContainers(t *testing.T) {
	for name, tt := range map[string]struct {
		set  appsv1.DaemonSet
		want string // role, version, rotation, interval
	}{
		"upstream's manifest": {daemonSet("csi-secrets-store", "registry.k8s.io/csi-secrets-store/driver:v1.6.0", 3,
			"--endpoint=$(CSI_ENDPOINT)", "--provider-volume=/var/run/secrets-store-csi-providers", "--metrics-addr=:8095",
			"--enable-secret-rotation=false", "--rotation-poll-interval=2m"), "driver 1.6.0 false 2m0s"},
		"rotation":         {daemonSet("x", "mirror.example:5000/a/driver:v1.5.6", 1, "--enable-secret-rotation=true", "-rotation-poll-interval", "30s"), "driver 1.5.6 true 30s"},
		"flag alone":       {daemonSet("x", "x", 1, "--provider-volume=/x", "--enable-secret-rotation", "--metrics-addr=0.0.0.0:9000"), "driver  true 2m0s"},
		"Azure's add-on":   {daemonSet("aks-secrets-store-csi-driver", "mcr.microsoft.com/oss/v2/kubernetes-csi/secrets-store/driver:v1.5.4-1", 1), "driver 1.5.4 false 2m0s"},
		"digest":           {daemonSet("x", "quay.io/openshift/secrets-store-csi-driver@sha256:0123", 1), "driver  false 2m0s"},
		"tag and digest":   {daemonSet("x", "a/secrets-store-csi-driver:v1.4.2@sha256:0123", 1), "driver 1.4.2 false 2m0s"},
		"bad interval":     {daemonSet("x", "a/secrets-store-csi-driver:latest", 1, "--rotation-poll-interval=soon", "--metrics-addr=off"), "driver  false 2m0s"},
		"Vault's provider": {daemonSet("vault-csi-provider", "hashicorp/vault-csi-provider:1.7.4", 1, "--endpoint=/provider/vault.sock"), "vault 1.7.4 false 0s"},
		"its socket":       {daemonSet("x", "mirror.example/x:1", 1, "-endpoint=/provider/vault.sock"), "vault  false 0s"},
		"Azure's provider": {daemonSet("x", "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.8.2", 1), "azure 1.8.2 false 0s"},
		"its socket too":   {daemonSet("x", "x", 1, "--endpoint=unix:///provider/azure.sock"), "azure  false 0s"},
		"another driver":   {daemonSet("x", "registry.k8s.io/sig-storage/smbplugin:v1.2.3", 1, "--endpoint=unix:///csi/csi.sock", "--nodeid=x"), ""},
		"no driver at all": {daemonSet("driver", "example.org/driver:v1.6.0", 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, a := range findAgents([]appsv1.DaemonSet{tt.set}) {
				got += fmt.Sprintf("%s %s %t %s", a.Role, a.Version, a.RotationEnabled, a.PollInterval)
				if a.Container != "main" || a.Namespace != "kube-system" || a.Desired-a.Ready != 1 {
					t.Errorf("agent is %+v", a)
				}
			}
			if got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAgentsListTheDriverOfMostNodesFirst(t *testing.T) {
	agents := findAgents([]appsv1.DaemonSet{
		daemonSet("vault", "hashicorp/vault-csi-provider:1.7.4", 9),
		daemonSet("windows", "registry.k8s.io/csi-secrets-store/driver:v1.6.0", 0),
		daemonSet("azure", "x/provider-azure:v1.8.2", 9),
		daemonSet("linux", "registry.k8s.io/csi-secrets-store/driver:v1.6.0", 3),
	})
	var names []string
	for _, a := range agents {
		names = append(names, a.Name)
	}
	if diff := cmp.Diff([]string{"linux", "windows", "azure", "vault"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestRotationFollowsFromVersionFlagsAndRegistration(t *testing.T) {
	driver := func(version string, enabled bool) []Agent {
		return []Agent{{Role: RoleDriver, Version: version, RotationEnabled: enabled, PollInterval: 30 * time.Second}}
	}
	republishes, not := &CSIDriver{RequiresRepublish: true}, &CSIDriver{}
	for name, tt := range map[string]struct {
		registration *CSIDriver
		agents       []Agent
		want         string // known, enabled, mechanism, interval
		why          string
	}{
		"all set":                       {republishes, driver("1.6.0", true), "true true republish 30s", "has requiresRepublish"},
		"later":                         {republishes, driver("2.0.1", true), "true true republish 30s", "has requiresRepublish"},
		"flag missing":                  {republishes, driver("1.6.0", false), "true false republish 30s", "--enable-secret-rotation=false"},
		"not registered for it":         {not, driver("1.6.0", true), "true false republish 30s", "lacks requiresRepublish"},
		"registration unreadable":       {nil, driver("1.6.0", true), "false true republish 30s", "could not be read"},
		"ticker":                        {not, driver("1.5.6", true), "true true ticker 30s", "by itself"},
		"ticker, flag missing":          {republishes, driver("1.5.6", false), "true false ticker 30s", "does not rotate"},
		"unknown version":               {republishes, driver("", true), "true true unknown 30s", "unknown version"},
		"unknown version, unregistered": {not, driver("", true), "false false unknown 30s", "unknown version"},
		"no DaemonSet":                  {republishes, nil, "false false unknown 2m0s", "no DaemonSet"},
		"a provider alone":              {republishes, []Agent{{Role: "vault"}}, "false false unknown 2m0s", "no DaemonSet"},
	} {
		r := RotationOf(tt.registration, tt.agents)
		if got := fmt.Sprint(r.Known, r.Enabled, " ", r.Mechanism, " ", r.Interval); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if !strings.Contains(r.Why, tt.why) {
			t.Errorf("%s: because %q, want %q in it", name, r.Why, tt.why)
		}
	}
}

func TestDeadlineCoversTheSlowestMechanism(t *testing.T) {
	for _, tt := range []struct {
		mechanism     Mechanism
		interval, age time.Duration
		want          time.Duration
		because       string
	}{
		{Republish, 2 * time.Minute, 0, 4 * time.Minute, "which leaves 2m0s"},
		{Republish, 2 * time.Minute, -time.Minute, 4 * time.Minute, "which leaves 2m0s"},
		{Republish, 2 * time.Minute, 90 * time.Second, 150 * time.Second, "which leaves 30s"},
		{Republish, 2 * time.Minute, time.Hour, 2 * time.Minute, "which leaves 0s"},
		{Republish, 30 * time.Second, 0, 150 * time.Second, "within 30s of the last change"},
		{Ticker, 2 * time.Minute, time.Hour, 150 * time.Second, "looks every 2m0s"},
		{Unknown, 2 * time.Minute, 0, 4 * time.Minute, "which leaves 2m0s"},
		{Unknown, 2 * time.Minute, time.Hour, 150 * time.Second, "may look only every 2m0s"},
	} {
		got, because := Rotation{Mechanism: tt.mechanism, Interval: tt.interval}.Deadline(tt.age)
		if got != tt.want || !strings.Contains(because, tt.because) || !strings.HasSuffix(because, "makes "+tt.want.String()) {
			t.Errorf("%+v: %s, %q", tt, got, because)
		}
	}
}

func TestDeadlineSaysWhereTheIntervalIsAssumed(t *testing.T) {
	const assumed = "2m0s (its default: what is set is not known)"
	known := []Agent{{Role: RoleDriver, RotationEnabled: true, PollInterval: 2 * time.Minute}}
	for name, tt := range map[string]struct {
		agents []Agent
		want   bool
	}{"no DaemonSet": {nil, true}, "a DaemonSet": {known, false}} {
		if _, because := RotationOf(&CSIDriver{}, tt.agents).Deadline(0); strings.Contains(because, assumed) != tt.want {
			t.Errorf("%s: %q", name, because)
		}
	}
}
