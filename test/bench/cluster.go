package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// realCluster adds the rows that TestRealClusterSize measures on a cluster of its own. That
// needs root on Debian; elsewhere the table has the other rows.
func (b *bench) realCluster() error {
	file := filepath.Join(b.dir, "rows.json")
	test := exec.Command("test/cluster/with", "go", "test", "./test/cluster", "-count=1", "-timeout=30m", "-run=TestRealClusterSize", "-rows="+file)
	test.Env = append(os.Environ(), "SECRETCTL_CLUSTER=bench", "SECRETCTL_CLUSTER_PROFILE=real")
	test.Stdout, test.Stderr = b.narration, b.narration
	failed := test.Run()
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		_, _ = fmt.Fprintf(b.narration, "no rows of a real cluster: test/cluster/with: %v\n", failed)
		return nil
	}
	var rows []struct {
		What, Secretctl, Beside, Took, Ratio, Aim string
		Met                                       bool
	}
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	for _, r := range rows {
		b.table.add(r.What, r.Secretctl, r.Beside, r.Took, r.Ratio, r.Aim, r.Met)
	}
	return err
}
