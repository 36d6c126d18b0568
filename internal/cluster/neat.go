package cluster

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// asTheyAre are the fields that are compared byte by byte or parsed, and shown by
// nobody without the sanitizer.
var asTheyAre = []string{"data", "binaryData", "parameters", "annotations", "token"}

// neat returns an answer in which every string is one line that steers no terminal: a
// name of the cluster's is shown in many places. Most answers have nothing to clean.
func neat(body []byte) []byte {
	if !bytes.ContainsFunc(body, func(r rune) bool { return r == '\\' || r >= 0x7f }) && !bytes.Contains(body, []byte("::")) && !bytes.Contains(body, []byte("##")) {
		return body
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree any
	if decoder.Decode(&tree) != nil {
		return body // who decodes it says so
	}
	cleaned, err := json.Marshal(neatTree(tree))
	if err != nil {
		return body
	}
	return cleaned
}

func neatTree(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll((*secret.Sanitizer)(nil).Text(v), "\n", " ")
	case []any:
		for i := range v {
			v[i] = neatTree(v[i])
		}
	case map[string]any:
		for key, value := range v {
			if !slices.Contains(asTheyAre, key) {
				v[key] = neatTree(value)
			}
		}
	}
	return v
}
