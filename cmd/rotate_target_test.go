package cmd

import (
	"testing"

	"github.com/secretctl/secretctl/internal/config"
)

func TestTheWayOnLooksWhereTheRotationDid(t *testing.T) {
	for want, tt := range map[string]struct {
		kubeconfig, context string
		o                   checkOptions
	}{
		"":                                   {},
		" --kubeconfig k --context staging":  {"k", "staging", checkOptions{target: targetPod}},
		" --mount-path /m --vault-config /v": {o: checkOptions{target: targetLocal, mountPath: "/m", vaultConfig: "/v"}},
		" --target local":                    {o: checkOptions{target: targetLocal}},
	} {
		a := &app{settings: settings{kubeconfig: tt.kubeconfig, kubeContext: tt.context}}
		if got := a.sameTarget(tt.o); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestASecretThatDeliveriesShareIsRotatedOnce(t *testing.T) {
	var text string
	for name, vaultNamespace := range map[string]string{"east": "hospital", "west": "hospital", "other": "clinic"} {
		text += "---\napiVersion: secretctl.dev/v1\nprovider: vault\nname: " + name + "\nvault: {address: https://vault.example, namespace: " + vaultNamespace +
			", role: " + name + ", policy: " + name + "}\nsecrets: [{name: " + name + ", path: aidbox/client, key: secret, scope: [Client/basic]}]\n"
	}
	all, err := config.Parse("secretctl.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	a, follows := &app{}, 0
	for _, d := range all {
		r, err := a.rotationOf(t.Context(), d, d.Secrets[0], nil, checkup{rotateOptions: rotateOptions{due: true}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Follow != !r.Due || r.Follow && d.Name == "other" {
			t.Errorf("delivery %q: follow %t, due %t", d.Name, r.Follow, r.Due)
		}
		if r.Follow {
			follows++
		}
	}
	if follows != 1 {
		t.Errorf("%d of two deliveries follow what the other writes", follows)
	}
}
