package infra

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/google/go-cmp/cmp"

	"github.com/secretctl/secretctl/internal/config"
	"github.com/secretctl/secretctl/internal/hint"
	"github.com/secretctl/secretctl/internal/provision"
	"github.com/secretctl/secretctl/internal/store"
)

// aksCluster is one that is there, as the change makes it.
func aksCluster(change func(*armcontainerservice.ManagedClusterProperties)) *armcontainerservice.ManagedCluster {
	c := &armcontainerservice.ManagedCluster{
		ID: new("id"), Name: new("aidbox_aks"), Location: new("eastus"), ETag: new("tag-1"),
		Properties: &armcontainerservice.ManagedClusterProperties{
			ProvisioningState: new("Succeeded"), DNSPrefix: new("theirs"),
			OidcIssuerProfile: &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: new(true)},
			SecurityProfile: &armcontainerservice.ManagedClusterSecurityProfile{
				WorkloadIdentity: &armcontainerservice.ManagedClusterSecurityProfileWorkloadIdentity{Enabled: new(true)},
				ImageCleaner:     &armcontainerservice.ManagedClusterSecurityProfileImageCleaner{Enabled: new(true)},
			},
		},
	}
	change(c.Properties)
	return c
}

func TestClusterThatIsThereChangesOnlyWhereTheDeliveryNeedsIt(t *testing.T) {
	off := func(p *armcontainerservice.ManagedClusterProperties) {
		p.OidcIssuerProfile, p.SecurityProfile.WorkloadIdentity = nil, nil
	}
	tests := map[string]struct {
		identity string
		change   func(*armcontainerservice.ManagedClusterProperties)
		want     store.Change
		writes   bool
		theirs   bool // made by others
	}{
		"as wanted": {config.IdentityWorkload, func(*armcontainerservice.ManagedClusterProperties) {}, store.Change{Action: "unchanged", Detail: "in eastus"}, false, false},
		"off and needed": {
			config.IdentityWorkload, off,
			store.Change{Action: "update", Detail: "OIDC issuer, workload identity on", Warning: "its API server restarts, and pods get tokens of a new issuer"},
			true, false,
		},
		"off and not needed": {
			config.IdentityKubelet, off,
			store.Change{Action: "unchanged", Detail: "in eastus", Warning: "OIDC issuer and workload identity off, which azure.identity.type workload would need"},
			false, false,
		},
		"failed": {
			config.IdentityKubelet, func(p *armcontainerservice.ManagedClusterProperties) { p.ProvisioningState = new("Failed") },
			store.Change{Action: "update", Detail: "its last operation ended with Failed: secretctl sends it again"},
			true, false,
		},
		"failed, and of others": {
			config.IdentityKubelet, func(p *armcontainerservice.ManagedClusterProperties) { p.ProvisioningState = new("Failed") },
			store.Change{Action: "unchanged", Detail: "in eastus", Warning: "its last operation ended with Failed; secretctl repeats it only for a cluster that it made"},
			false, true,
		},
		"stopped, with the add-on": {
			config.IdentityKubelet,
			func(p *armcontainerservice.ManagedClusterProperties) {
				p.PowerState = &armcontainerservice.PowerState{Code: new(armcontainerservice.CodeStopped)}
				p.AddonProfiles = map[string]*armcontainerservice.ManagedClusterAddonProfile{driverAddOn: {Enabled: new(true)}}
			},
			store.Change{
				Action: "unchanged", Detail: "in eastus",
				Warning: "is stopped: az aks start --resource-group aidbox-rg --name aidbox_aks; its add-on azureKeyvaultSecretsProvider brings the CSI driver and the Azure provider: skip secretctl install",
			},
			false, false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t), delivery()
			if w.cluster = aksCluster(test.change); !test.theirs {
				w.cluster.Tags = tags()
			}
			d.Azure.Identity.Type = test.identity
			test.want.Phase, test.want.Object = "cluster", "AKS cluster aidbox-rg/aidbox_aks"
			changes, err := provision.Run(t.Context(), w.infra(d).Steps(), []string{"cluster"}, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]store.Change{test.want}, changes); diff != "" {
				t.Error(diff)
			}
			if (w.writes != nil) != test.writes {
				t.Errorf("wrote %v", w.writes)
			}
			if !test.writes {
				return
			}
			p := w.cluster.Properties
			if w.ifMatch != "tag-1" || *p.DNSPrefix != "theirs" || !*p.SecurityProfile.ImageCleaner.Enabled || w.cluster.ID != nil || p.ProvisioningState != nil {
				t.Errorf("sent if it matches %q: %+v", w.ifMatch, w.cluster)
			}
			if again, err := w.run(d, true); err != nil || again[2].Action != "unchanged" || again[2].Warning != "" {
				t.Errorf("the second run: %+v, %v", again, err)
			}
		})
	}
}

func TestClusterThatAnEarlierRunBeganIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.cluster = aksCluster(func(*armcontainerservice.ManagedClusterProperties) {})
	w.cluster.Tags = tags()
	w.states = []string{"Creating", "Creating", "Creating", "Succeeded"}
	changes, err := provision.Run(t.Context(), w.infra(delivery()).Steps(), []string{"cluster"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if changes[0].Action != "create" || len(w.states) > 0 || w.writes != nil {
		t.Errorf("%+v; states left %v; wrote %v", changes, w.states, w.writes)
	}

	w.states = []string{"Creating", "Failed", "Failed"}
	if _, err = provision.Run(t.Context(), w.infra(delivery()).Steps(), []string{"cluster"}, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"cluster aidbox_aks"}, w.writes); diff != "" {
		t.Error("one that failed is sent again:", diff)
	}

	w.states = []string{"Deleting"}
	if _, err = w.run(delivery(), true); err == nil || hint.Of(err) == "" {
		t.Error(err)
	}
}

func TestInterruptEndsTheWaiting(t *testing.T) {
	tests := map[string]func(*world){
		"for its own request": func(w *world) { w.polls = 1 << 20 },
		"for an earlier one's": func(w *world) {
			w.cluster = aksCluster(func(p *armcontainerservice.ManagedClusterProperties) { p.ProvisioningState = new("Creating") })
		},
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			arrange(w)
			ctx, cancel := context.WithCancel(t.Context())
			i := w.infra(delivery())
			i.o.Waiting = func(what string) {
				if strings.HasPrefix(what, "AKS") {
					time.AfterFunc(20*time.Millisecond, cancel)
				}
			}
			changes, err := provision.Run(ctx, i.Steps(), nil, false)
			if !errors.Is(err, context.Canceled) || len(changes) != 2 {
				t.Errorf("%+v, %v", changes, err)
			}
		})
	}
}

func TestDNSPrefixFitsIntoAHostName(t *testing.T) {
	for cluster, want := range map[string]string{
		"aks": "aks", "my_aks": "my-aks", strings.Repeat("a", 53) + "_b": strings.Repeat("a", 53),
	} {
		if got := dnsPrefix(cluster); got != want {
			t.Errorf("%s: %s", cluster, got)
		}
	}
}
