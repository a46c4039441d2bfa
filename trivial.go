package atocore

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// How short an interaction has to be for the words of its prompt to decide.
const (
	trivialPrompt   = 4  // words
	trivialResponse = 30 // words
	trivialAnswer   = 3  // words, of an answer to a prompt of as many
)

// Trivial reports whether the interaction is not worth keeping, once it is clean:
//
//   - prompt and response are empty, or say only that the request was interrupted;
//   - the prompt is a command to the program, such as /clear, and the response is
//     empty or has at most 30 words;
//   - the prompt is at most four words of thanks, consent or greeting (thanks, ok, go
//     on, and their like in some other languages), or signs alone, and the response
//     has at most 30 words;
//   - prompt and response have at most three words each.
//
// In the last two, a digit, a path or a name in code anywhere makes it worth
// keeping. A prompt that is a question, or has any other word, is kept whatever the
// answer.
func (i Interaction) Trivial() bool {
	prompt, response := uninterrupted(cleanText(i.Prompt)), uninterrupted(cleanText(i.Response))
	said, answered := strings.Fields(prompt), strings.Fields(response)
	switch {
	case prompt == "" && response == "":
		return true
	case len(answered) > trivialResponse:
		return false
	case isCommand(prompt):
		return true
	case telltale(prompt), telltale(response):
		return false
	case len(said) <= trivialAnswer && len(answered) <= trivialAnswer && !strings.ContainsAny(prompt, "?？") && singleScript(prompt) && singleScript(response):
		return true
	}
	return len(said) <= trivialPrompt && isPleasantry(prompt)
}

// uninterrupted is a text without the line by which a client notes that the answer
// was broken off.
func uninterrupted(s string) string {
	if !strings.Contains(s, "[Request interrupted by user") {
		return strings.TrimSpace(s)
	}
	var kept []string
	for line := range strings.Lines(s) {
		if t := strings.TrimSpace(line); !strings.HasPrefix(t, "[Request interrupted by user") || !strings.HasSuffix(t, "]") {
			kept = append(kept, line)
		}
	}
	return strings.TrimSpace(strings.Join(kept, ""))
}

// isCommand reports whether the prompt is a command to the program that it was typed
// in: /clear, /model small, or as such a program writes it down.
func isCommand(s string) bool {
	if strings.HasPrefix(s, "<command-name>") || strings.HasPrefix(s, "<local-command-stdout>") || strings.HasPrefix(s, "<command-message>") {
		return true
	}
	if !strings.HasPrefix(s, "/") || strings.Contains(s, "\n") || len(strings.Fields(s)) > 3 {
		return false
	}
	name, _, _ := strings.Cut(s[1:], " ")
	return name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && r != ':' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0
}

// telltale reports signs of matter in few words: numbers, paths, code.
func telltale(s string) bool {
	return strings.IndexFunc(s, unicode.IsDigit) >= 0 || strings.ContainsAny(s, "/\\`=_{}<>@#")
}

// singleScript reports whether the number of words says how much s says: in scripts
// without blanks between words it does not.
func singleScript(s string) bool {
	return utf8.RuneCountInString(s) <= 40 && strings.IndexFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
	}) < 0
}

// isPleasantry reports whether s has no word but those of thanks, consent and
// greeting.
func isPleasantry(s string) bool {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.Is(unicode.M, r) && r != '\'' })
	for _, w := range words {
		if !pleasantries[strings.ReplaceAll(w, "'", "")] {
			return false
		}
	}
	return true
}

var pleasantries = func() map[string]bool {
	words := make(map[string]bool)
	for w := range strings.FieldsSeq(`thanks thank you thx ty cheers ok okay k kk yes yep yeah yup y sure no nope nah n right fine good great nice perfect
		cool awesome excellent lovely wonderful brilliant lgtm continue go on ahead proceed next please pls do it done hi hello hey morning evening
		good afternoon bye goodbye got that this is works well very much so a lot again all looks same sounds agreed exactly correct
		danke bitte ja nein gut weiter hallo tschüss merci oui non bonjour salut gracias sí si hola vale adelante continua obrigado obrigada sim não
		grazie prego ciao va bene dank je bedankt tak tack kiitos dziękuję tak nie спасибо да нет привет хорошо дякую так ні
		谢谢 好 好的 是 是的 继续 你好 ありがとう はい いいえ 続けて こんにちは 감사합니다 네 계속 안녕 안녕하세요 شكرا نعم لا مرحبا תודה כן לא`) {
		words[w] = true
	}
	return words
}()
