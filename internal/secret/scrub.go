package secret

// ScrubText returns text, or a sentence in its place where one of the values is in it.
// Who has a [Sanitizer] has no need of it.
func ScrubText(text string, values ...Value) string {
	s := &Sanitizer{}
	s.Learn(values...)
	if s.Repeats(text) {
		return withheld
	}
	return text
}
