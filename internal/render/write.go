package render

import (
	"encoding/json"
	"io"
)

// WriteYAML writes the objects as documents of one stream, comments included.
func WriteYAML(w io.Writer, objects []Object) error {
	for i, o := range objects {
		text := o.YAML
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// WriteJSON writes the objects as one v1 List, which kubectl apply takes.
func WriteJSON(w io.Writer, objects []Object) error {
	list := struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}{"v1", "List", []json.RawMessage{}}
	for _, o := range objects {
		list.Items = append(list.Items, o.JSON)
	}
	out, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(out, '\n'))
	return err
}
