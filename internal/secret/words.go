package secret

import (
	_ "embed" // of words.txt
	"strings"
	"sync"
)

// vocabulary has the words that occur in messages of servers and of secretctl, whatever
// the values are.
//
//go:embed words.txt
var vocabulary string

// This many letters of a word in a row identify it.
const enough = 4

type wordList struct{ words, starts, ends, insides map[string]bool }

var words = sync.OnceValue(func() wordList {
	l := wordList{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for word := range strings.FieldsSeq(vocabulary) {
		l.words[word] = true
		for i := range len(word) {
			l.starts[word[:i+1]], l.ends[word[i:]] = true, true
			for _, length := range []int{enough, gramLength} {
				if i+length <= len(word) {
					l.insides[word[i:i+length]] = true
				}
			}
		}
	}
	return l
})

// punctuation is what separates ordinary words, in names, addresses and JSON.
const punctuation = `-_./:,;"'()[]{}`

// ordinary reports whether eight characters may occur in any message: they repeat two
// or three, or consist of words of the vocabulary, at most two digits, and punctuation.
func ordinary(g gram) bool {
	var text [gramLength]byte
	var different [256]bool
	kinds, digits, odd := 0, 0, false
	for i := range text {
		b := byte(g >> (8 * (gramLength - 1 - i)) & 0xff)
		if text[i] = b; !different[b] {
			kinds++
		}
		different[b] = true
		if isWordByte(b) && !letter(b) {
			digits++
		}
		odd = odd || !isWordByte(b) && strings.IndexByte(punctuation, b) < 0
	}
	return kinds < 4 || digits <= 2 && !odd && ofWords(string(text[:]))
}

// ofWords reports whether all letters of eight characters belong to words, at least four
// in a row to the same one. The first word may lack its start, and the last its end.
func ofWords(text string) bool {
	l := words()
	if !hasPartOfWord(text, l) {
		return false // as nearly all random values
	}
	if l.insides[text] {
		return true
	}
	// What ends before each character: 0 no words, 1 short pieces of words, 2 a long piece too.
	before := [gramLength + 1]int{1}
	for end := 1; end <= len(text); end++ {
		for start := range end {
			piece, state := text[start:end], before[start]
			separates := len(piece) == 1 && !letter(piece[0])
			if state == 0 || !separates && !l.words[piece] && !(start == 0 && l.ends[piece]) && !(end == len(text) && l.starts[piece]) {
				continue
			}
			if len(piece) >= enough {
				state = 2
			}
			before[end] = max(before[end], state)
		}
	}
	return before[len(text)] == 2
}

func hasPartOfWord(text string, l wordList) bool {
	for i := range len(text) - enough + 1 {
		if l.insides[text[i:i+enough]] {
			return true
		}
	}
	return false
}

// ordinaryWords reports whether text consists of at most this many words of the vocabulary.
func ordinaryWords(text string, most int) bool {
	text = strings.ToLower(text)
	for word := range words().words {
		rest, found := strings.CutPrefix(text, word)
		if found && (rest == "" || most > 1 && ordinaryWords(strings.TrimLeft(rest, "-_. /:"), most-1)) {
			return true
		}
	}
	return false
}
