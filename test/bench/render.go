package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v3"
)

var sizes = []int{1, 100, 1000, 5000}

// most is about as many secrets as fit in the ConfigMap that Aidbox reads. Its row has
// no aim.
const most = 10_000

// render compares tools that write the same manifests.
func (b *bench) render() error {
	var took []time.Duration
	for _, n := range slices.Concat(sizes, []int{most}) {
		folder := filepath.Join(b.dir, fmt.Sprint("render-", n))
		if err := b.prepare(folder, n); err != nil {
			return err
		}
		ours := command{fmt.Sprint("render ", n), []string{b.secretctl, "render", "-c", filepath.Join(folder, "secretctl.yaml")}}
		kustomize := command{"kubectl kustomize", []string{b.kubectl, "kustomize", filepath.Join(folder, "manifests")}}
		helm := command{"helm template", []string{b.helm, "template", "aidbox", filepath.Join(folder, "chart")}}
		if err := b.same(ours, kustomize, helm); err != nil {
			return err
		}
		m, err := b.inTurns(b.runs, ours, kustomize, helm)
		if err != nil {
			return err
		}
		took = append(took, m[0].median())
		what := fmt.Sprintf("render, %d secrets", n)
		passed, half, less := 1.0, 0.5, 1.0
		if n == most {
			passed, half, less = 0, 0, 0
		}
		b.table.time(what, m[0], m[1], passed)
		b.table.time(what, m[0], m[2], half)
		b.table.peak(what+", memory", m[0], m[1], less)
		b.table.peak(what+", memory", m[0], m[2], less)
	}
	// The cost grows linearly.
	per := func(i, j int) time.Duration { return (took[j] - took[i]) * 1000 / time.Duration(sizes[j]-sizes[i]) }
	few, many := per(0, 2), per(2, 3)
	b.table.ratio("render, each 1,000 secrets more", short(many)+" above 1,000", "the same below", short(few), float64(many)/float64(few), 1.25)
	return nil
}

// prepare writes the config, its rendered manifests for kustomize, and a chart that
// renders the same.
func (b *bench) prepare(folder string, n int) error {
	var conf, values strings.Builder
	conf.WriteString("apiVersion: secretctl.dev/v1\nprovider: vault\nvault: {csiAddress: \"http://vault.default:8200\"}\nsecrets:\n")
	values.WriteString("secrets:\n")
	for i := range n {
		fmt.Fprintf(&conf, "  - {name: s%d, scope: [Client/c%[1]d]}\n", i)
		fmt.Fprintf(&values, "  - {name: s%d, scope: [Client/c%[1]d]}\n", i)
	}
	if err := write(folder, map[string]string{"secretctl.yaml": conf.String()}); err != nil {
		return err
	}
	out, err := exec.Command(b.secretctl, "render", "-c", filepath.Join(folder, "secretctl.yaml"), "--dir", filepath.Join(folder, "manifests")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s", out)
	}
	files := map[string]string{
		"chart/Chart.yaml": "apiVersion: v2\nname: aidbox\nversion: 1.0.0\n", "chart/values.yaml": values.String(),
		"chart/templates/_config.tpl": chartConfig, "chart/templates/configmap.yaml": chartConfigMap, "chart/templates/class.yaml": chartClass,
	}
	// What does not depend on the secrets is plain text in the chart, which favors helm.
	for _, name := range []string{"serviceaccount-aidbox.yaml", "deployment-aidbox.yaml"} {
		text, err := os.ReadFile(filepath.Join(folder, "manifests", name))
		if err != nil {
			return err
		}
		files["chart/templates/"+name] = checksum.ReplaceAllString(string(text), "$1"+`{{include "config" . | sha256sum}}`)
	}
	return write(folder, files)
}

func write(folder string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// same checks that all commands write the same objects.
func (b *bench) same(commands ...command) error {
	var first map[string]any
	for i, c := range commands {
		text, err := exec.Command(c.args[0], c.args[1:]...).Output()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		objects := map[string]any{}
		for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var o struct {
				Kind     string
				Metadata struct{ Name string }
			}
			var node yaml.Node
			var all any
			if d.Decode(&node) != nil {
				break
			}
			if err := node.Decode(&o); err != nil {
				return err
			}
			if err := node.Decode(&all); err != nil {
				return err
			}
			objects[o.Kind+"/"+o.Metadata.Name] = all
		}
		if first == nil {
			first = objects
		}
		if diff := cmp.Diff(first, objects); diff != "" || len(objects) != 4 {
			return fmt.Errorf("%s and %s do not write the same %d objects:\n%.2000s", commands[0].name, commands[i].name, len(objects), diff)
		}
	}
	return nil
}
