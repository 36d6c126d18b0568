package cmd

import "testing"

func TestTheWayOnLooksWhereTheRotationDid(t *testing.T) {
	for want, tt := range map[string]struct {
		config, kubeconfig, context string
		o                           checkOptions
	}{
		"": {config: defaultConfig},
		" --kubeconfig k --context staging -c a.yaml": {"a.yaml", "k", "staging", checkOptions{target: targetPod}},
		" --mount-path /m --vault-config /v":          {config: defaultConfig, o: checkOptions{target: targetLocal, mountPath: "/m", vaultConfig: "/v"}},
		" --target local":                             {config: defaultConfig, o: checkOptions{target: targetLocal}},
	} {
		a := &app{settings: settings{config: tt.config, kubeconfig: tt.kubeconfig, kubeContext: tt.context}}
		if got := a.sameTarget(tt.o); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
