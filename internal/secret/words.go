package secret

import (
	"strings"
	"sync"
)

// vocabulary has the words that stand in messages of servers and of secretctl whatever
// the values are.
const vocabulary = `
a about above absent accept accepted access accessible account active add added address admin after again agent aidbox aidboxone all
allow allowed already also an and annotation answer answered any api apiserver apply approle are argument as ask asked assertion at
attribute audience auth authenticate authenticated authentication authority authorization authorize authorized auto available azure
backend backup bad base basic be bearer because been before begin between block body boolean bound box broke broken browser bucket bundle but by
cache called can cannot canceled cas cause cert certificate change changed changeme chart check claim class client clientid clientsecret close
closed cloud cluster code command common company condition config configmap configuration configured conflict connect connection
console contain container content context contoso control cookie could count create created credential credentials csi current custom
daemon data database date db debug default delete deleted delivery demo denied deny deployment description detail development diagnostics
did differ different digest disabled disk dns do does domain done driver dry duplicate duration each element empty enable enabled encode encoding
encryption end endpoint engine enterprise entity entry env environment error event every example exceeded exec existing exist exists
expect expected expiration expired expires expression extension external failed failure false fatal federated fetch fhir field file first flow folder for forbidden
force format found from full gateway generate generated get give given go good google googleapis grant granted group guest had handler handshake has hashicorp hash have head header health
healthsamurai healthy helm hint hospital host hostname http https id identity if image implementation in index info information init initialized input instance integration internal into invalid is
issue issuer it item its javascript job json jwt keep kernel key keys keyvault kind know known kubelet kubernetes label large last lease left length letmein level limit line link list
load local localhost log login long lookup machine main malformed managed manager map mask match max media message metadata method min missing
mode monitor more mount mounted must my name named namespace need network new no node nodejs none not nothing now null number oauth object of off oidc ok old on one only open
operation operator option or org organization other out outcome output own owner page param parameter parse passphrase passwd password patch path patient pattern peer pending permission permissions permitted
pipeline please pod policy pool port post postgres postgresql practitioner present private privileges probe process processing product production profile project property protocol provide provided provider proxy public
push put query quota random rate read reader reading ready reason received reconcile record redirect reference refused region registry reject rejected release remote render
renew replica request requested required reset resource resources response responded result retry retries return review revision revoke right role root rotate rotation route rsa rule run running same sample sandbox
scheme schema scope seal sealed search second secret secretctl secretproviderclass secrets secretsstore security see seen selector send sent server service serviceaccount session set settings severity should
sign signature signed signing size some source spec specified spring standard start started state status storage store stored string structure subject subscription success such support supported
svc switch sync syntax system table tag target template temporary tenant terraform test testing text than that the their them then there these they this through throttled time timeout timestamp tls to
today token tokens too topic total transport true trusted try type unauthorized unavailable under unexpected unhealthy unique unknown unpermitted unreachable unsupported until unwrap up update updated upgrade
upstream uri url usage use used user username users using utf valid validate validation value values variable vault verification verify version versions view volume wait waiting want warning was web webhook welcome
were what when where whether which while who will windows with within without words workload workspace worker would wrap write writing wrong www yaml yes you your zone
`

// enough letters of a word in a row tell it from others.
const enough = 4

type wordList struct{ words, starts, ends, insides map[string]bool }

var words = sync.OnceValue(func() wordList {
	l := wordList{map[string]bool{}, map[string]bool{"": true}, map[string]bool{"": true}, map[string]bool{}}
	for word := range strings.FieldsSeq(vocabulary) {
		l.words[word] = true
		for i := range len(word) {
			l.starts[word[:i+1]], l.ends[word[i:]] = true, true
			for length := enough; length <= gramLength && i+length <= len(word); length++ {
				l.insides[word[i:i+length]] = true
			}
		}
	}
	return l
})

// punctuation is what may stand among ordinary words: of names, addresses and JSON.
const punctuation = `-_./:,;"'()[]{}`

// ordinary says whether eight characters may stand in any message: they repeat two or
// three, or their letters are those of the vocabulary's words, with two digits at most
// and punctuation.
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
		if isWordByte(b) && (b < 'a' || b > 'z') {
			digits++
		}
		odd = odd || !isWordByte(b) && strings.IndexByte(punctuation, b) < 0
	}
	return kinds < 4 || digits <= 2 && !odd && ofWords(string(text[:]))
}

// ofWords says whether all letters are those of words, of which the first and the last
// may be cut off, and at least four in a row of the same word.
func ofWords(text string) bool {
	if !hasPartOfWord(text) {
		return false // as of nearly all random values
	}
	sure := false
	for start := 0; start < len(text); {
		end := start
		for end < len(text) && letter(text[end]) {
			end++
		}
		if end > start {
			may, surely := partOfWords(text[start:end], start == 0, end == len(text))
			if !may {
				return false
			}
			sure = sure || surely
		}
		start = end + 1
	}
	return sure
}

func hasPartOfWord(text string) bool {
	for i := range len(text) - enough + 1 {
		if words().insides[text[i:i+enough]] {
			return true
		}
	}
	return false
}

// partOfWords says whether letters may be words, of which the first may lack its start
// and the last its end; surely means that four of them in a row are of the same word.
func partOfWords(letters string, cutStart, cutEnd bool) (may, surely bool) {
	l := words()
	if cutStart && cutEnd && l.insides[letters] {
		return true, true
	}
	// What can stand before each letter: 1 where short pieces do, 2 where a long one is among them.
	before := [gramLength + 1]int{1}
	for end := 1; end <= len(letters); end++ {
		for start := range end {
			piece, state := letters[start:end], before[start]
			if state == 0 || !l.words[piece] && !(start == 0 && cutStart && l.ends[piece]) && !(end == len(letters) && cutEnd && l.starts[piece]) {
				continue
			}
			if len(piece) >= enough {
				state = 2
			}
			before[end] = max(before[end], state)
		}
	}
	return before[len(letters)] > 0, before[len(letters)] == 2
}

// ordinaryWords says whether text is made of so many words of the vocabulary at most.
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
