package diff

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/secretctl/secretctl/internal/config"
)

// lastApplied is kubectl's copy of a whole manifest, with every value in it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// mayBeSecret are the fields of Kubernetes objects in which people put values.
var mayBeSecret = []string{"env", "args", "command", "httpHeaders", "binaryData", "stringData"}

// Kubernetes returns where applying a manifest would change an object: live and
// merged are as the cluster package returns them. Values of environment variables
// and of whatever else may hold a secret are never in it, only their names.
func Kubernetes(live, merged []byte) ([]Field, error) {
	before, err := decodeObject(live)
	if err != nil {
		return nil, err
	}
	after, err := decodeObject(merged)
	if err != nil {
		return nil, err
	}
	return Fields(before, after, func(path []string) bool {
		last := path[len(path)-1]
		return slices.Contains(mayBeSecret, last) || len(path) == 2 && path[0] == "data" && last != config.VaultConfigKey
	}), nil
}

func decodeObject(text []byte) (map[string]any, error) {
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, errors.New("kubernetes: answered with an object that is no JSON")
	}
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	delete(annotations, lastApplied)
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	return o, nil
}
