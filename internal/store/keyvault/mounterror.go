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

// shortenMountError shortens an error of the Azure provider to the object, the status,
// the code and the first line of the message. The Azure SDK prints the whole response
// over many lines. Other text stays as it is.
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
	text = strings.TrimRight(before, ": .") + ": " + status
	if said := mountAnswer(body); said != "" {
		text += ": " + said
	}
	return text
}

// mountAnswer returns the innermost code and the first line of the message that Key
// Vault, Entra ID or a node's metadata service answered; "" if the text has no answer.
func mountAnswer(text string) string {
	_, text, _ = strings.Cut(text, "{")
	var answer struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	if json.NewDecoder(strings.NewReader("{"+text)).Decode(&answer) != nil {
		return ""
	}
	var refusal struct {
		Code, Message string
		Inner         struct{ Code string } `json:"innererror"`
	}
	if answer.Description != "" {
		refusal.Message = answer.Description
	} else if json.Unmarshal(answer.Error, &refusal) != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(refusal.Message), "\n")
	if at := traceID.FindStringIndex(line); at != nil {
		line = line[:at[0]]
	}
	return strings.Trim(cmp.Or(refusal.Inner.Code, refusal.Code)+": "+strings.TrimSpace(line), ": ")
}
