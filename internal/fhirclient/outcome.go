package fhirclient

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/secretctl/secretctl/internal/secret"
)

// operationOutcome has the informative fields of an error body: of a FHIR OperationOutcome,
// of an OAuth error, and of a plain message.
type operationOutcome struct {
	Issue []struct {
		Severity    string   `json:"severity"`
		Code        string   `json:"code"`
		Diagnostics string   `json:"diagnostics"`
		Expression  []string `json:"expression"`
		Details     struct {
			Text   string `json:"text"`
			Coding []struct {
				Code    string `json:"code"`
				Display string `json:"display"`
			} `json:"coding"`
		} `json:"details"`
	} `json:"issue"`
	OAuthError  string `json:"error"`
	Description string `json:"error_description"`
	Message     string `json:"message"`
}

// outcome returns what an error body says, in one line: each issue as
// "severity/code: text (expression)". It is "" if the body says nothing.
func outcome(body []byte, sanitizer *secret.Sanitizer) string {
	var o operationOutcome
	// Unmarshal skips a field of the wrong type and reads the others.
	_ = json.Unmarshal(body, &o)
	var lines, texts []string
	for _, issue := range o.Issue {
		text := cmp.Or(issue.Diagnostics, issue.Details.Text)
		for _, coding := range issue.Details.Coding {
			text = cmp.Or(text, coding.Display, coding.Code)
		}
		texts = append(texts, text)
		line := join(": ", join("/", issue.Severity, issue.Code), text)
		if at := join(", ", issue.Expression...); at != "" {
			line = join(" ", line, "("+at+")")
		}
		lines = append(lines, line)
	}
	if len(o.Issue) == 0 {
		lines = []string{join(": ", o.OAuthError, cmp.Or(o.Description, o.Message))}
	}
	if spread := strings.Join(texts, ""); sanitizer.Repeats(spread) {
		return sanitizer.Line(spread)
	}
	return sanitizer.Join("; ", lines...)
}

// join joins the texts that are not empty.
func join(separator string, texts ...string) string {
	var out []string
	for _, text := range texts {
		if text != "" {
			out = append(out, text)
		}
	}
	return strings.Join(out, separator)
}
