package recipes

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const adminSecret = "secret-of-the-admin-client"

type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct {
		Steps []struct {
			Name, Run, Uses string
			Env             map[string]string
		}
	}
}

func TestGitHubActionInstallsLogsInAndVerifies(t *testing.T) {
	var a action
	parse(t, "github/action.yml", &a)
	s := newServer(t)
	r := &runner{t: t, dir: t.TempDir(), inputs: map[string]string{
		"version": "v1.2.3", "arguments": "mount auth\n  --timeout 10m\n", "releases": s.URL, "vault-audience": "https://github.com/acme",
		"vault-login": "jwt/ci", "azure-client-id": "client", "azure-tenant-id": "tenant", "aidbox-client-secret": adminSecret,
	}}
	r.env = []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + s.URL + "/token?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=request-token"}
	r.run(a, 0)
	want := "verify: verify mount auth --timeout 10m --junit-file secretctl.xml -o github\n" +
		"login: jwt/ci token-for-https://github.com/acme " + adminSecret + "\n" +
		"azure: client tenant token-for-api://AzureADTokenExchange 600\n"
	if got := r.read("summary"); got != want {
		t.Errorf("the summary is\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "secretctl-azure-token")); err == nil {
		t.Error("the token's file still exists")
	}

	r.env = append(r.env, "EXIT=1")
	r.inputs["vault-login"], r.inputs["azure-client-id"], r.inputs["arguments"], r.inputs["aidbox-client-secret"] = "", "", "", ""
	r.run(a, 1)
	if got := r.read("summary"); !strings.HasSuffix(got, "verify: verify --junit-file secretctl.xml -o github\nlogin:   \n") {
		t.Errorf("without a login the summary is\n%s", got)
	}
	r.inputs["vault-login"], r.env = "jwt/ci", nil
	if said := r.run(a, 2); !strings.Contains(said, "id-token: write") {
		t.Errorf("without the permission it says\n%s", said)
	}
}

func TestGitHubActionRefusesAReleaseThatWasTamperedWith(t *testing.T) {
	var a action
	parse(t, "github/action.yml", &a)
	for name, tamper := range map[string]func(*server){
		"another archive": func(s *server) { s.archive = pack(t, "#!/bin/sh\n") },
		"another archive and its checksum": func(s *server) {
			s.archive = pack(t, "#!/bin/sh\n")
			s.checksums = checksumsOf(s.archive)
		},
	} {
		s := newServer(t)
		tamper(s)
		r := &runner{t: t, dir: t.TempDir(), inputs: map[string]string{"version": "1.2.3", "releases": s.URL}}
		r.run(a, 1)
		if _, err := os.Stat(filepath.Join(r.dir, "secretctl", "secretctl")); err == nil {
			t.Errorf("%s: it is unpacked", name)
		}
	}
	r := &runner{t: t, dir: t.TempDir(), inputs: map[string]string{"version": "1.2.3 --help", "releases": "http://127.0.0.1:1"}}
	r.run(a, 2)
}

// TestSecretsGoToOneStep reads the recipes: a step that only installs must have no
// secret, and a workflow none for all steps of a job.
func TestSecretsGoToOneStep(t *testing.T) {
	var a action
	parse(t, "github/action.yml", &a)
	for _, step := range a.Runs.Steps {
		for _, value := range step.Env {
			if strings.Contains(value, "inputs.aidbox-client-secret") && step.Name != "Verify" {
				t.Errorf("step %q has the secret", step.Name)
			}
		}
	}
	var workflow struct {
		Env  map[string]string
		Jobs map[string]struct{ Env map[string]string }
	}
	parse(t, "github/verify.yml", &workflow)
	for _, env := range []map[string]string{workflow.Env, workflow.Jobs["verify"].Env} {
		for name, value := range env {
			if strings.Contains(value, "secrets.") {
				t.Errorf("every step has %s", name)
			}
		}
	}
}

// TestActionsArePinnedByCommit looks at the recipes and at this project's own workflows.
func TestActionsArePinnedByCommit(t *testing.T) {
	uses := regexp.MustCompile(`uses: *(\S+)(.*)`)
	pinned := regexp.MustCompile(`@[0-9a-f]{40}$`)
	for _, pattern := range []string{"../../docs/ci/github/*.yml", "../../.github/workflows/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range uses.FindAllStringSubmatch(string(text), -1) {
				if !pinned.MatchString(found[1]) || !strings.Contains(found[2], "# ") {
					t.Errorf("%s: %s is not pinned by a commit, with its version in a comment", file, found[1])
				}
			}
		}
	}
}

func TestGitHubWorkflowsAreValid(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	args := append([]string{"tool", "actionlint", "-shellcheck=", "-pyflakes=", "../../docs/ci/github/verify.yml"}, files...)
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	var a action
	parse(t, "github/action.yml", &a)
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string
				With map[string]string
			}
		}
	}
	parse(t, "github/verify.yml", &workflow)
	for _, step := range workflow.Jobs["verify"].Steps {
		for input := range step.With {
			if _, known := a.Inputs[input]; !known && strings.HasPrefix(step.Uses, "secretctl/") {
				t.Errorf("the action has no input %q", input)
			}
		}
	}
}

func TestGitLabTemplateInstallsLogsInAndVerifies(t *testing.T) {
	var template map[string]struct {
		IDTokens     map[string]struct{ Aud string } `yaml:"id_tokens"`
		Variables    map[string]string
		BeforeScript []string `yaml:"before_script"`
		Script       []string
		Artifacts    struct{ Reports struct{ JUnit string } }
	}
	parse(t, "gitlab/secretctl.gitlab-ci.yml", &template)
	job := template[".secretctl-verify"]
	s := newServer(t)
	env := append(os.Environ(), "PATH="+fakeTools(t)+":"+os.Getenv("PATH"), "AIDBOX_CLIENT_SECRET="+adminSecret,
		"SECRETCTL_VERSION=1.2.3", "SECRETCTL_VAULT_LOGIN=jwt/ci", "AZURE_CLIENT_ID=client", "AZURE_TENANT_ID=tenant")
	for name, value := range job.Variables {
		env = append(env, name+"="+value)
	}
	for name, token := range job.IDTokens {
		env = append(env, name+"=token-for-"+token.Aud)
	}
	env = append(env, "SECRETCTL_RELEASES="+s.URL, "SECRETCTL_ARGUMENTS=mount auth\n--timeout 10m")
	run := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Join(append(job.BeforeScript, job.Script...), "\n"))
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run()
	want := "verify: verify mount auth --timeout 10m --junit-file " + job.Artifacts.Reports.JUnit + "\n" +
		"login: jwt/ci token-for-$CI_SERVER_URL " + adminSecret + "\n" +
		"azure: client tenant token-for-api://AzureADTokenExchange 600\n"
	if err != nil || !strings.HasSuffix(out, want) {
		t.Errorf("%v\n%s", err, out)
	}
	s.archive = pack(t, "#!/bin/sh\n")
	s.checksums = checksumsOf(s.archive)
	if out, err := run(); err == nil || strings.Contains(out, "verify:") {
		t.Errorf("it runs a release that was tampered with: %v\n%s", err, out)
	}
}

// TestWorkflowRunsEveryTargetOfCI compares the workflow with .ci/run. "make check" stands
// for the targets that it has in the Makefile.
func TestWorkflowRunsEveryTargetOfCI(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct{ Matrix struct{ Target []string } }
		}
	}
	read := func(name string, pattern string) (found []string) {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found = append(found, m[1])
		}
		return found
	}
	parse(t, "../../.github/workflows/ci.yml", &workflow)
	var runs []string
	for _, job := range workflow.Jobs {
		runs = append(runs, job.Strategy.Matrix.Target...)
	}
	if !slices.Contains(runs, "check") {
		t.Error("the workflow does not run make check")
	}
	runs = append(runs, strings.Fields(strings.Join(read("Makefile", `(?m)^check: ([a-z -]+)`), " "))...)
	steps := read(".ci/run", `(?m)^step (\S+)$`)
	if len(steps) < 10 {
		t.Fatalf(".ci/run has the steps %v", steps)
	}
	for _, step := range steps {
		if !slices.Contains(runs, step) {
			t.Errorf("the workflow does not run make %s", step)
		}
	}
}
