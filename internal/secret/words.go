package secret

import (
	_ "embed" // of words.txt
	"strings"
	"sync"
)

// vocabulary has the words that occur in messages of servers and of secretctl, whatever
// the values are. The first line has what else many values have in common.
//
//go:embed words.txt
var vocabulary string

// This many characters of a word in a row identify it.
const enough = 4

type wordList struct {
	words  []string
	pieces map[gram]uint8                 // words of up to eight letters, and starts and ends of longer ones
	parts  [1 << (5 * enough) / 64]uint64 // a bit for each four characters in a row of a word
}

const complete, starts, ends, inside = 1, 2, 4, 8 // what a piece is

var words = sync.OnceValue(func() *wordList {
	l := &wordList{words: strings.Fields(vocabulary), pieces: make(map[gram]uint8, len(vocabulary))}
	for _, word := range l.words {
		for i := range len(word) {
			if i < gramLength {
				l.pieces[pack(word[:i+1])] |= starts
				l.pieces[pack(word[len(word)-1-i:])] |= ends
			}
			if i+gramLength <= len(word) {
				l.pieces[pack(word[i:i+gramLength])] |= inside
			}
			if i+enough <= len(word) {
				bit := partBit(pack(word[i : i+enough]))
				l.parts[bit/64] |= 1 << (bit % 64)
			}
		}
		if len(word) <= gramLength {
			l.pieces[pack(word)] |= complete
		}
	}
	return l
})

// partBit numbers the last four characters of a gram, all of which a word can have.
func partBit(g gram) (bit uint32) {
	for i := range enough {
		bit |= ofWord(g.at(gramLength-1-i)) << (5 * i)
	}
	return bit
}

// ofWord numbers the characters of the vocabulary from 1 to 28. It returns 0 for any other.
func ofWord(b byte) uint32 {
	switch {
	case letter(b):
		return uint32(b|0x20-'a') + 1
	case b == '.':
		return 27
	case b == '-':
		return 28
	}
	return 0
}

// punctuation is what separates ordinary words, in names, addresses and JSON.
const punctuation = `-_./:,;"'()[]{}`

// ordinary reports whether eight characters may occur in any message: they repeat two
// or three, or consist of words of the vocabulary, at most two digits, and punctuation.
func ordinary(g gram) bool {
	var different [256]bool
	kinds, digits, odd := 0, 0, false
	for i := range gramLength {
		b := g.at(i)
		if !different[b] {
			kinds++
		}
		different[b] = true
		if isWordByte(b) && !letter(b) {
			digits++
		}
		odd = odd || !isWordByte(b) && strings.IndexByte(punctuation, b) < 0
	}
	return kinds < 4 || digits <= 2 && !odd && ofWords(g)
}

// ofWords reports whether all letters of eight characters belong to words, at least four
// in a row to the same one. The first word may lack its start, and the last its end.
func ofWords(g gram) bool {
	l := words()
	if !l.hasPart(g) {
		return false // as nearly all random values
	}
	if l.pieces[g]&inside != 0 {
		return true
	}
	// What ends before each character: 0 no words, 1 short pieces of words, 2 a long piece too.
	before := [gramLength + 1]int{1}
	for end := 1; end <= gramLength; end++ {
		for start := range end {
			state := before[start]
			if state == 0 {
				continue
			}
			piece := g << (8 * start) >> (8 * (start + gramLength - end))
			is, separates := l.pieces[piece], end-start == 1 && !letter(g.at(start))
			if !separates && is&complete == 0 && !(start == 0 && is&ends != 0) && !(end == gramLength && is&starts != 0) {
				continue
			}
			if end-start >= enough {
				state = 2
			}
			before[end] = max(before[end], state)
		}
	}
	return before[gramLength] == 2
}

// hasPart reports whether four characters in a row occur in a word.
func (l *wordList) hasPart(g gram) bool {
	inRow := 0
	for i := range gramLength {
		if inRow++; ofWord(g.at(i)) == 0 {
			inRow = 0
		}
		if inRow >= enough {
			if bit := partBit(g >> (8 * (gramLength - 1 - i))); l.parts[bit/64]&(1<<(bit%64)) != 0 {
				return true
			}
		}
	}
	return false
}

// ordinaryWords reports whether text consists of at most this many words of the vocabulary.
func ordinaryWords(text string, most int) bool {
	text = strings.ToLower(text)
	for _, word := range words().words {
		rest, found := strings.CutPrefix(text, word)
		if found && (rest == "" || most > 1 && ordinaryWords(strings.TrimLeft(rest, "-_. /:"), most-1)) {
			return true
		}
	}
	return false
}
