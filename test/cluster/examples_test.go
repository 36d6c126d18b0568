package cluster_test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/cmd"
)

// TestRealClusterExamples runs the examples of the help that need a cluster, word by
// word, where each of them finds what it asks for.
func TestRealClusterExamples(t *testing.T) {
	t.Parallel()
	w := newTown(t, "fhir") // as one of them calls the namespace
	who := strings.Fields(w.kubectl(t, "", "config", "view", "--minify", "-o", "jsonpath={.contexts[0].context.cluster} {.contexts[0].context.user}"))
	w.kubectl(t, "", "config", "set-context", "staging", "--cluster="+who[0], "--user="+who[1])

	known := map[string]bool{}
	everyExample(cmd.Root(), known)
	for _, command := range []string{
		"doctor",
		"doctor --context staging -o short",
		"doctor --json-file doctor.json",
		"verify cluster store",
		"verify --context staging --target pod",
		"rotate client-secret --nudge",
		"diff --only cluster --context staging",
		"init --provider vault --from-deployment aidbox --namespace fhir",
	} {
		if !known["secretctl "+command] {
			t.Errorf("%q is in no help", command)
		}
		if strings.HasPrefix(command, "init ") {
			command += " -c new.yaml" // as there is a config already
		}
		w.ok(t, command)
	}
	code, out, _ := w.run(t, "diff --only cluster --patch --container web")
	if code != 3 || !strings.Contains(out, "is there a Deployment aidbox with a container web?") {
		t.Errorf("there is no container to be patched: exit code %d\n%s", code, out)
	}
}

func everyExample(c *cobra.Command, known map[string]bool) {
	for line := range strings.Lines(c.Example) {
		known[strings.TrimSpace(line)] = true
	}
	for _, sub := range c.Commands() {
		everyExample(sub, known)
	}
}
