package cmd_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/secretctl/secretctl/cmd"
)

// TestExamplesWork renders every config in the folder examples, and has its resources
// made. Together they have every type of resource.
func TestExamplesWork(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var types []string
	for _, file := range files {
		for _, args := range [][]string{{"config", "validate"}, {"render"}, {"client", "apply", "--dry-run"}} {
			var stdout, stderr bytes.Buffer
			world := cmd.IO{In: strings.NewReader(""), Out: &stdout, Err: &stderr, LookupEnv: func(string) (string, bool) { return "", false }}
			if code := cmd.Run(t.Context(), append(args, "-c", file), world); code != 0 || stderr.Len() > 0 {
				t.Errorf("%s %v: exit code %d\n%s", file, args, code, stderr.String())
			}
			if args[0] == "client" {
				for _, m := range regexp.MustCompile(`"resourceType": "(\w+)"`).FindAllStringSubmatch(stdout.String(), -1) {
					types = append(types, m[1])
				}
				if !strings.Contains(stdout.String(), `"valueCode": "masked"`) {
					t.Errorf("%s: no reference to a secret in\n%s", file, stdout.String())
				}
			}
		}
	}
	for _, want := range []string{"Client", "AccessPolicy", "IdentityProvider", "TokenIntrospector", "AidboxTopicDestination"} {
		if !slices.Contains(types, want) {
			t.Errorf("no example has a resource of type %s", want)
		}
	}
}
