package install

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/provision"
)

func TestInstallWaitsUntilPodsAreReady(t *testing.T) {
	for version, flag := range map[string]string{"v3.22.0": " --show-resources", "v4.3": ""} {
		t.Run(version, func(t *testing.T) {
			f := newFake(t, vaultThere)
			f.write("version", version)
			f.write("status-first-csi", notReady)
			if _, err := f.run(Options{}, withVault("")); err != nil {
				t.Fatal(err)
			}
			call := "status csi --namespace kube-system" + flag + " --output json\n"
			if got := f.read("calls"); strings.Count(got, call) != 2 {
				t.Error(got)
			}
		})
	}
}

func TestPodsThatAreNotReadyAreAWarningIfNothingChanges(t *testing.T) {
	f := newFake(t, driverThere, vaultThere)
	f.write("status", notReady)
	changes, err := f.run(Options{}, withVault(""))
	if err != nil {
		t.Fatal(err)
	}
	if want := "DaemonSet csi: 0 of 1 pods are ready"; changes[0].Warning != want {
		t.Errorf("%+v", changes[0])
	}
}

func TestPodsThatNeverGetReadyEndWithTheContext(t *testing.T) {
	f := newFake(t, vaultThere)
	f.write("status", notReady)
	ctx := f.endingWhen(func() bool { return strings.Count(f.read("calls"), "status csi") > 1 }) // the second time it waits
	_, err := provision.Run(ctx, f.helm().Steps(Releases(known, []*config.Delivery{withVault("")}, Options{Namespace: "default"})), nil, false)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "csi") {
		t.Error(err)
	}
}
