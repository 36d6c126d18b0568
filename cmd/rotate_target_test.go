package cmd

import "testing"

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
