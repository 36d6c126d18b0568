package config

import (
	"encoding/json"
	"strconv"

	yaml "go.yaml.in/yaml/v3"
)

// What a node is, in the words of a message.
const (
	kindMapping = "a mapping"
	kindList    = "a list"
	kindText    = "text"
	kindNumber  = "a number"
	kindBool    = "true or false"
	kindYesNo   = "yes or no" // true or false to YAML 1.1, text to YAML 1.2
	kindNothing = "nothing"
	kindDate    = "a date"
	kindOther   = "something that YAML gives a meaning of its own"
)

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return kindMapping
	case yaml.SequenceNode:
		return kindList
	case yaml.ScalarNode:
		return scalarKind(n)
	}
	return kindOther
}

func scalarKind(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!str":
		if n.Style == 0 && isYesNo(n.Value) {
			return kindYesNo
		}
		return kindText
	case "!!int", "!!float":
		return kindNumber
	case "!!bool":
		return kindBool
	case "!!null":
		return kindNothing
	case "!!timestamp":
		return kindDate
	}
	return kindOther
}

func isYesNo(text string) bool {
	switch text {
	case "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF":
		return true
	}
	return false
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// keptByJSON says whether a number is the same after it was a float64, as JSON
// numbers are, and is written as JSON writes it: versions of YAML disagree on the
// other forms, such as 0o17 and 1_000.
func keptByJSON(n *yaml.Node) bool {
	if n.ShortTag() == "!!int" {
		i, err := strconv.ParseInt(n.Value, 10, 64)
		return err == nil && -1<<53 <= i && i <= 1<<53 && json.Valid([]byte(n.Value))
	}
	return json.Valid([]byte(n.Value))
}
