package cmd

// filesReport is the JSON output of commands that write files, documented in docs/json.md.
type filesReport struct {
	SchemaVersion int           `json:"schemaVersion"`
	Files         []writtenFile `json:"files"`
}

type writtenFile struct {
	Path   string `json:"path"`
	Action string `json:"action"` // fileWritten or fileUnchanged
}

const (
	fileWritten   = "written"
	fileUnchanged = "unchanged"
)

func (a *app) printFiles(files []writtenFile, output string) error {
	if output != "json" {
		return nil // the narration says it
	}
	return printJSON(a.Out, filesReport{1, files})
}
