package cluster

import (
	"maps"
	"slices"
)

// Contexts returns the names of the kubeconfig's contexts, sorted; none where it
// is missing or cannot be read.
func Contexts(o Options) []string {
	config, err := loader(o).RawConfig()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(config.Contexts))
}
