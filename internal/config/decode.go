package config

import (
	"encoding/json"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// appendJSON adds what a node says as JSON. The structure check has passed: keys are
// texts, nothing is tagged, merged or contains itself, and every scalar is what YAML
// 1.1 and 1.2 agree on.
func appendJSON(out []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.AliasNode:
		return appendJSON(out, n.Alias)
	case yaml.MappingNode:
		out = append(out, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendText(out, n.Content[i].Value), ':')
			out = appendJSON(out, n.Content[i+1])
		}
		return append(out, '}')
	case yaml.SequenceNode:
		out = append(out, '[')
		for i, item := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSON(out, item)
		}
		return append(out, ']')
	}
	return appendScalar(out, n)
}

func appendScalar(out []byte, n *yaml.Node) []byte {
	switch n.ShortTag() {
	case "!!null":
		return append(out, "null"...)
	case "!!bool":
		return append(out, strings.ToLower(n.Value)...)
	case "!!int":
		if i, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, 64); err == nil {
			return strconv.AppendInt(out, i, 10)
		}
	case "!!float":
		if f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64); err == nil {
			if text, err := json.Marshal(f); err == nil {
				return append(out, text...)
			}
		}
	}
	return appendText(out, n.Value)
}

// appendText spares the encoder the plain texts, which nearly all are.
func appendText(out []byte, text string) []byte {
	plain := !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	if plain {
		return append(append(append(out, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) // which cannot fail
	return append(out, quoted...)
}
