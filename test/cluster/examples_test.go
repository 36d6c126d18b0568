package cluster_test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/secretctl/secretctl/cmd"
)

// TestRealClusterExamples runs the examples from the help that need a cluster, verbatim.
func TestRealClusterExamples(t *testing.T) {
	t.Parallel()
	rc := newRealCluster(t, "fhir") // the namespace that one of the examples names
	who := strings.Fields(rc.kubectl(t, "", "config", "view", "--minify", "-o", "jsonpath={.contexts[0].context.cluster} {.contexts[0].context.user}"))
	rc.kubectl(t, "", "config", "set-context", "staging", "--cluster="+who[0], "--user="+who[1])

	known := map[string]bool{}
	collectExamples(cmd.Root(), known)
	for _, command := range []string{
		"doctor",
		"doctor --from-node",
		"doctor --context staging -o short",
		"doctor --json-file doctor.json",
		"verify cluster store",
		"verify --context staging --target pod",
		"rotate client-secret --nudge",
		"diff --only cluster --context staging",
		"init --provider vault --from-deployment aidbox --namespace fhir",
	} {
		if !known["secretctl "+command] {
			t.Errorf("%q is not an example in any help", command)
		}
		if strings.HasPrefix(command, "init ") {
			command += " -c new.yaml" // a config already exists
		}
		rc.ok(t, command)
	}
	code, out, _ := rc.run(t, "diff --only cluster --patch --container web")
	if code != 3 || !strings.Contains(out, "is there a Deployment aidbox with a container web?") {
		t.Errorf("diff --patch without such a container: exit code %d\n%s", code, out)
	}
}

func collectExamples(c *cobra.Command, known map[string]bool) {
	for line := range strings.Lines(c.Example) {
		known[strings.TrimSpace(line)] = true
	}
	for _, sub := range c.Commands() {
		collectExamples(sub, known)
	}
}
