package fhirclient

import (
	"encoding/json"
	"strings"
	"unicode"

	"github.com/secretctl/secretctl/internal/secret"
)

// maxLine is how much of a text that Aidbox sent is shown, in characters.
const maxLine = 200

// operationOutcome has the fields of an error body that say something: of a FHIR
// OperationOutcome, of an OAuth error, and of a plain message.
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
// "severity/code: text (expression)". It is "" where the body says nothing, and
// the message is withheld where it repeats one of the values.
func outcome(body []byte, values ...secret.Value) string {
	var o operationOutcome
	// A field of the wrong type is left out, and the others are read.
	_ = json.Unmarshal(body, &o)
	var lines []string
	for _, issue := range o.Issue {
		text := first(issue.Diagnostics, issue.Details.Text)
		for _, coding := range issue.Details.Coding {
			text = first(text, coding.Display, coding.Code)
		}
		line := join(": ", join("/", issue.Severity, issue.Code), text)
		if at := join(", ", issue.Expression...); at != "" {
			line = join(" ", line, "("+at+")")
		}
		lines = append(lines, line)
	}
	if len(o.Issue) == 0 {
		lines = []string{join(": ", o.OAuthError, first(o.Description, o.Message))}
	}
	return oneLine(join("; ", lines...), values...)
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
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

// oneLine makes text that Aidbox sent fit to show: on one line, without control
// characters, at most 200 characters long, and withheld where it repeats a value,
// also one that is broken by white space or control characters.
func oneLine(text string, values ...secret.Value) string {
	clean := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), unprintable), " ")
	squeezed := strings.Join(strings.FieldsFunc(text, unprintable), "")
	for _, form := range []string{text, squeezed, clean} {
		if scrubbed := secret.ScrubText(form, values...); scrubbed != form {
			return scrubbed
		}
	}
	if runes := []rune(clean); len(runes) > maxLine {
		clean = string(runes[:maxLine]) + "..."
	}
	return clean
}

// unprintable says whether a character is white space, control, or one that
// changes how the others are shown.
func unprintable(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
