package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// ScrubText returns text that came from outside, such as a server's error
// message, unless one of the values is in it: then it returns a sentence that
// says so. A value is found as it is, and in base64, hexadecimal, URL, HTML, JSON
// and Go encoding, also as the password of a Basic credential. Text goes as a
// whole, because what remains around a removed value can tell what it was.
func ScrubText(text string, values ...Value) string {
	for _, v := range values {
		if v.appearsIn(text) {
			return "(message withheld: it repeats a secret value)"
		}
	}
	return text
}

func (v Value) appearsIn(text string) bool {
	b := v.Reveal()
	if len(b) == 0 {
		return false
	}
	lower := strings.ToLower(text) // %2F and %2f are the same
	for _, form := range spellings(string(b)) {
		if strings.Contains(text, form) || strings.Contains(lower, strings.ToLower(form)) {
			return true
		}
	}
	// Base64 packs three bytes into four characters, so a value that something
	// precedes, as "id:" does in a Basic credential, shows in one of three forms.
	// The characters at the ends share bits with the neighbours: leave them out.
	for shift := range 3 {
		padded := append(make([]byte, shift), b...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			form := inner(enc.EncodeToString(padded), shift, len(padded))
			if len(form) >= 4 && strings.Contains(text, form) {
				return true
			}
		}
	}
	return false
}

// spellings returns the encodings of s that keep its bytes apart.
func spellings(s string) []string {
	asJSON, _ := json.Marshal(s)
	var plainJSON bytes.Buffer // as others than Go write it
	encoder := json.NewEncoder(&plainJSON)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s)
	quoted := []string{string(asJSON), strings.TrimSpace(plainJSON.String()), strconv.Quote(s), strconv.QuoteToASCII(s)}
	forms := []string{s, hex.EncodeToString([]byte(s)), url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s)}
	for _, q := range quoted {
		forms = append(forms, q[1:len(q)-1])
	}
	return forms
}

// inner cuts an encoded form down to the characters that the value alone decides.
func inner(form string, shift, length int) string {
	start := []int{0, 2, 3}[shift]
	end := len(form)
	if length%3 != 0 {
		end-- // its low bits are padding here, and the next byte's in a longer text
	}
	if start >= end {
		return ""
	}
	return form[start:end]
}
