// Command bench compares secretctl with the tools that people would use instead. It
// prints one table of ratios; the two sides of a ratio are medians of runs that
// alternated. docs/performance.md explains the rows. It needs the binaries of
// secretctl, helm, kubectl and vault, and writes to a temporary folder only.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
)

// tools are the paths of the binaries.
type tools struct{ secretctl, helm, kubectl, vault string }

// bench is one run.
type bench struct {
	tools
	dir   string // temporary
	self  string // this program, which also launches what it measures
	runs  int
	only  string // a part
	token string // for Vault
	table table

	out, narration io.Writer
}

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == launch {
		if err := launchMain(os.Args[2:], os.Stdout, os.Stderr); err != nil {
			log.Fatal(err)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == bare {
		if err := bareMain(os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	b := bench{token: rootToken, out: os.Stdout, narration: os.Stderr}
	flag.StringVar(&b.secretctl, "secretctl", "./secretctl", "the secretctl to measure")
	peers := flag.String("peers", "", "folder with helm and kubectl")
	flag.StringVar(&b.vault, "vault", "", "the vault to provision")
	flag.StringVar(&b.only, "only", "", "run this part alone: start-up, render, provision, notice, pods, rotate, cluster")
	flag.IntVar(&b.runs, "runs", 15, "runs of a short command; long ones run a third as often")
	flag.Parse()
	b.helm, b.kubectl = filepath.Join(*peers, "helm"), filepath.Join(*peers, "kubectl")
	if err := b.run(); err != nil {
		log.Fatal(err)
	}
	if !b.table.met() {
		os.Exit(1)
	}
}

func (b *bench) run() (err error) {
	for _, path := range []*string{&b.secretctl, &b.helm, &b.kubectl, &b.vault} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "secretctl-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"start-up", b.startUp},
		{"render", b.render},
		{"provision", b.provision},
		{"notice", b.notice},
		{"pods", b.manyReplicas},
		{"rotate", b.rotateMany},
		{"cluster", b.realCluster},
	} {
		if b.only != "" && b.only != part.name {
			continue
		}
		if err := part.run(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	_, err = fmt.Fprint(b.out, b.table.String())
	return err
}

// startUp compares the time before any work is done.
func (b *bench) startUp() error {
	m, err := b.inTurns(b.runs,
		command{"secretctl version", []string{b.secretctl, "version"}},
		command{"kubectl version --client", []string{b.kubectl, "version", "--client"}},
		command{"helm version", []string{b.helm, "version"}})
	if err != nil {
		return err
	}
	b.table.time("start-up", m[0], m[1], 0.3)
	b.table.time("start-up", m[0], m[2], 0)
	return nil
}
