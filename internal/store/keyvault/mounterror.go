package keyvault

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
)

var (
	mountObject   = regexp.MustCompile(`failed to get objectType:(\S+), objectName:([^,]+), objectVersion:[^:]*: `)
	mountRequest  = regexp.MustCompile(`\s*\b(?:GET|POST) https?://\S+\s+-{20,}\s+RESPONSE \d+: ([^\r\n{]*?)\s+(?:ERROR CODE: \S+\s+)?-{20,}`)
	mountRequests = regexp.MustCompile(`\b(?:Get|Post) "https?://[^"]*": `)
	traceID       = regexp.MustCompile(`\s+Trace ID: `)
)

// mountAnswer is what Key Vault, the login and the metadata service of a node answer
// when they refuse something.
type mountAnswer struct {
	Error       json.RawMessage `json:"error"`
	Description string          `json:"error_description"`
}

// shortenMountError shortens an error that the Azure provider reports. The Azure SDK
// prints the whole answer over many lines, and the code that matters is inside of it:
// left are the object, the status, that code and the first line of the message. Any
// other text stays as it is.
func shortenMountError(text string) string {
	if strings.Contains(text, `\n----`) { // quoted, in a log
		text = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\"`, `"`, `\\`, `\`).Replace(text)
	}
	text = mountObject.ReplaceAllString(text, "$1 $2: ")
	text = mountRequests.ReplaceAllString(text, "")
	at := mountRequest.FindStringSubmatchIndex(text)
	if at == nil {
		return text
	}
	before, status, body := text[:at[0]], text[at[2]:at[3]], text[at[1]:]
	parts := []string{strings.TrimRight(before, ": ."), status}
	if says := readMountAnswer(body); says != "" {
		parts = append(parts, says)
	}
	return strings.Join(parts, ": ")
}

// readMountAnswer returns the innermost code of an answer and the first line of its
// message; "" where the text holds no answer.
func readMountAnswer(text string) string {
	start := strings.Index(text, "{")
	if start < 0 {
		return ""
	}
	var answer mountAnswer
	if json.NewDecoder(strings.NewReader(text[start:])).Decode(&answer) != nil {
		return ""
	}
	if answer.Description != "" {
		return firstLine(answer.Description)
	}
	var refusal struct {
		Code, Message string
		Inner         struct{ Code string } `json:"innererror"`
	}
	if json.Unmarshal(answer.Error, &refusal) != nil {
		return ""
	}
	return strings.Trim(cmp.Or(refusal.Inner.Code, refusal.Code)+": "+firstLine(refusal.Message), ": ")
}

func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if at := traceID.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	return strings.TrimSpace(text)
}
