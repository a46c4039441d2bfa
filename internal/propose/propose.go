// Package propose finds, by rules and without a model, the sentences of a
// conversation that state something to keep: decisions, preferences, corrections,
// facts, and who somebody is.
//
// The rules prefer to miss a statement over proposing what is none: questions,
// suppositions, quotations and code are left out. They know English alone.
//
// Start with [From]; [Sentences] is what it reads.
package propose

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A Speaker says whose words a text is.
type Speaker string

// The two sides of an interaction.
const (
	User      Speaker = "user"
	Assistant Speaker = "assistant"
)

// A Rule names what a sentence states.
type Rule string

// The rules, see docs/candidates.md.
const (
	Decision   Rule = "decision"
	Preference Rule = "preference"
	Correction Rule = "correction"
	Fact       Rule = "fact"
	Identity   Rule = "identity"
)

// A Proposal is one sentence that a rule has found.
type Proposal struct {
	Rule       Rule
	Speaker    Speaker
	Text       string
	Confidence float64 // below 1: how often the rule is right
	Working    bool    // of a correction: that it says how to work, not what is so
}

// Most is how many proposals one interaction gives at most.
const Most = 8

// Bounds of a proposal.
const (
	minWords = 3
	maxChars = 400
)

// From proposes what prompt and response state, at most Most, the surest first and
// of equally sure ones the first said; no text twice.
func From(prompt, response string) []Proposal {
	var all []Proposal
	for _, side := range []struct {
		who  Speaker
		text string
	}{{User, prompt}, {Assistant, response}} {
		most := len(all) + 10*Most // a long list under a heading: the first are enough to choose from
		for s := range Sentences(side.text) {
			if p, ok := propose(s, side.who); ok && !slices.ContainsFunc(all, func(q Proposal) bool { return strings.EqualFold(q.Text, p.Text) }) {
				all = append(all, p)
			}
			if len(all) == most {
				break
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Proposal) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return all[:min(len(all), Most)]
}

// A pattern compiles when it is first used: a program that proposes nothing pays
// nothing.
type pattern func() *regexp.Regexp

func re(expr string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

func (p pattern) in(s string) bool { return p().MatchString(s) }

// after is what follows the pattern at the beginning of s.
func (p pattern) after(s string) (rest string, ok bool) {
	if loc := p().FindStringIndex(s); loc != nil && loc[0] == 0 {
		return s[loc[1]:], true
	}
	return s, false
}

var (
	// Words that a sentence begins with before it says anything.
	opener = re(`(?i)^(?:(?:ok(?:ay)?|so|well|right|great|perfect|good|fine|sure|yes|yeah|yep|hi|hello|hey|thanks|thank you|also|and|but|then|oh|ah|hm+|alright|cool|by the way|btw|anyway|in short|in summary|to summari[sz]e|please note|note|fyi|tl;?dr)\b[,;:.!–—-]*\s+)+`)

	question = re(`(?i)^(?:should|shall|can|could|would|will|do|does|did|is|are|was|were|has|have|had|may|might|must|what|why|how|who|whom|which|when|where|whose)\b[^.!]*\?|[?？]["')\]]*$`)
	unsure   = re(`(?i)\b(?:what if|if we|if you|if i|had we|suppose|supposing|let'?s say|imagine|hypothetically|maybe|perhaps|possibly|probably|not sure|unsure|i wonder|wondering|whether|might|could|would(?:n'?t)?|should we|shall we|haven'?t decided|have not decided|not (?:yet )?decided|didn'?t decide|did not decide|undecided|before we decide|until we decide|unless|in case|depends|for example|e\.g\.|i guess|not necessarily)\b`)
	begins   = re(`(?i)^(?:if|unless|suppose|assuming|in case|once)\b`)
	reported = re(`(?i)\b(?:he|she|they|someone|somebody|people|the (?:article|post|docs?|documentation|book|paper|author|readme)|according to \w+)\b[^,;.]{0,40}\b(?:said?|says|claims?|thinks?|wrote|writes|prefers?|decided|recommends?|suggests?)\b|\bthe (?:\w+ ){1,3}(?:says|said|claims|claimed|states|recommends|suggests)\b`)
	pending  = re(`(?i)\b(?:yet|right now|for now|this time|today only|just this once|until i|at the moment|for the moment|this once|in this (?:session|run|turn|message))\b`)

	decided    = re(`(?i)\b(?:we|i|the team|they've|you)(?:'ve| have| all| both)?(?: just| now| finally| already| also)? (?:decided|agreed|settled|chose|chosen|opted|concluded|resolved|committed)\b(?: (?:to|on|that|against|for|upon)\b| (?:not to)\b|\s+\S+ (?:over|instead of|as)\b)|\b(?:we|i|the team)\b[^.;?]{1,60}\band (?:then |finally )?(?:decided|agreed|settled) (?:to|on|that|against)\b|\b(?:we|the team)(?:'ve| have)? agreed with [^.,;?]{1,40} (?:that|to|on)\b`)
	notDecided = re(`(?i)\bagreed to (?:the|your|their|his|her) (?:licen[cs]e|terms|conditions|cookies|rules)\b|\bcommitted (?:to|on) (?:the|my|a|main|master|develop)\b|\bresolved (?:that|this|the) (?:issue|bug|conflict|problem|ticket|error)\b|\b(?:decided|agreed) to (?:have a look|look|check|talk|try|see|think)\b|\b(?:tomorrow|tonight)\b`)
	youDecided = re(`(?i)\byou(?:'ve| have)?(?: just| now| already)? (?:decided|agreed|settled|chose|chosen|opted|concluded)\b`)
	passive    = re(`(?i)\b(?:it (?:was|is|has been)|was|has been) (?:decided|agreed)(?: (?:that|to|on))\b`)
	goingWith  = re(`(?i)^(?:we(?:'re| are|'ll| will)|i(?:'m| am|'ll| will)) (?:go(?:ing)?|stick(?:ing)?|settl(?:e|ing)) (?:with|for|on)\b`)
	bareGoing  = re(`(?i)^(?:going|sticking) with\b`)
	// What is gone with, or for, without saying anything to keep.
	passing  = re(`(?i)\bwith (?:the flow|you|me|him|her|them|us)\b|\bfor (?:lunch|dinner|coffee|drinks|a (?:walk|run|break|coffee|drink))\b|\b(?:the|your) (?:first|second|third|last|other|latter|former) (?:suggestion|option|one|version|approach|variant|proposal)\b|\bthis (?:function|file|test|method|class|line|change|commit|branch|task|one)\b`)
	refused  = re(`(?i)^we(?: will not| won'?t| will no longer| are not going to|'re not going to| aren'?t going to) (?:use|support|build|offer|ship|adopt)\b`)
	lets     = re(`(?i)^let'?s (?:use|go with|stick (?:with|to)|switch to|move to|keep|adopt|standardi[sz]e on|settle on|drop|stay (?:with|on))\b`)
	contrast = re(`(?i)\b(?:instead of|rather than|over|not|in place of)\b`)
	decision = re(`(?i)^(?:final |the |our |my )?(?:decision|decided|resolution|conclusion|verdict|outcome)(?: is| was)?\s*(?::|—|–|-)\s+|^(?:the |our )?decision (?:on|about|for|regarding) [^:.?]{1,60}:\s+|^final call:\s+|^(?:the|our|my|final) (?:final )?(?:decision|conclusion) (?:is|was) (?:that |to )?`)

	prefer    = re(`(?i)\bi(?:'d| would)?(?: really| much| always| generally| strongly| usually)? (?:prefer|favou?r)\b|\bmy preference is\b|\bi (?:like|want|need|expect) (?:you to (?:always|never)|all|every|my|answers|replies|responses|commit)|\bi(?: really)? (?:don'?t|do not) (?:like|want)\b|\bi (?:hate|dislike|can'?t stand)\b|\bmy (?:favou?rite|preferred)\b[^,;]*\b(?:is|are)\b|\bi(?:'d| would) rather (?:have|use|see|keep|write|get|avoid)\b[^;]*\bthan\b`)
	preferred = re(`(?i)\bwould (?:prefer|rather)\b`)
	whenever  = re(`(?i)^when(?:ever)? (?:you |you're )?(?:writ|add|creat|nam|review|commit|refactor|document|generat|chang|test|propos|explain)\w*\b[^,]{0,60}, (?:please )?(?:use|write|put|keep|prefer|avoid|add|run|start|name|follow|do not|don'?t)\b`)
	always    = re(`(?i)^(?:please,? )?(?:always|never)\s+(\w+)|^you (?:should|must) (?:always|never)\s+(\w+)|^(?:when(?:ever)?|for|in|before|after) [^,]{3,80}, (?:please )?(?:always|never)\s+(\w+)`)
	dont      = re(`(?i)^please,? (?:do not|don'?t|avoid|stop \w+ing)\b|^(?:do not|don'?t) ever\b|^(?:stop|avoid) \w+ing\b`)
	regret    = re(`(?i)\bnever have (?:\w+ed|been|done|gone|made|let|told|given|taken)\b|\bnever do (?:that|this|it)\b`)
	reminder  = re(`(?i)\b(?:don'?t|do not) (?:forget|worry|bother|hesitate|mind|wait)\b`)
	fromNow   = re(`(?i)\b(?:from (?:now|today|this point) on(?:wards?)?|going forward|in (?:the )?future|from here on|henceforth|as of now)\b`)
	callMe    = re(`(?i)^(?:please )?(?:just )?(?:call me|address me as) \S+`)
	callBack  = re(`(?i)\bcall me (?:when|if|once|as|back|later|tomorrow|at|on|in|before|after)\b`)

	correct   = re(`(?i)^(?:no|nope|nah)[,;.!:–—-]+\s*|^actually[,:]?\s+|^correction\s*:\s*|^(?:that|this|it)(?:'s| is| was) (?:wrong|incorrect|not (?:right|correct|true))[,;.:!–—-]*\s*|^you(?:'re| are| were) (?:wrong|mistaken)[,;.:!–—-]*\s*|^not quite[,;.:!–—-]+\s*|^i meant\s+`)
	assertion = re(`(?i)\b(?:is|are|was|were|isn'?t|aren'?t|it's|that's|uses?|runs?|lives?|belongs?|has|have|needs?|means?|should|must|called|named|comes?|goes?|works?|starts?|ends?|listens?|use|expects?|takes?|requires?|returns?|allows?|supports?|contains?|stores?|sends?|gives?|keeps?|begins?|points?|depends?)\b`)
	status    = re(`(?i)\b(?:again|still|now|any ?more|in the meantime|meanwhile|fail(?:s|ed|ing)?|broken|crash(?:es|ed|ing)?|empty|blank|missing|gone|stuck|the same|hang(?:s|ing)?)\b`)
	working   = re(`(?i)^(?:please |always |never |don'?t |do not )?(?:use|run|put|keep|write|call|add|remove|start|stop|prefer|avoid|test|read|name|place|check|make)\b|\b(?:you|we) (?:should|must|need to|have to)\b`)

	remember  = re(`(?i)^(?:please )?(?:remember|keep in mind|bear in mind|don'?t forget|note|take note|for the record|for reference|fyi|important)(?:\s*[:,—–-]\s+|\s+that\s+)|^fyi\s+`)
	elsewhere = re(`(?i)^(?:see|here(?:'s| is| are)|above|below)\b|^i (?:told|said|asked|mentioned|already|just)\b`)
	noted     = re(`(?i)^(?:please )?(?:note|take note|fyi)\b`)
	task      = re(`(?i)^(?:please )?(?:remember|don'?t forget) to\b|^important\W+(?:please )?(?:do|fix|finish|try|read|look at|start with) (?:this|that|it|these|those)\b`)

	identity  = re(`(?i)^(?:my name is|my name's|i am called|i go by)\s+\S+|^i(?:'m| am) (?:an? |the |your )?(?:[\w+#./-]+ ){0,4}(?:developer|engineer|programmer|designer|manager|student|teacher|doctor|nurse|lawyer|researcher|scientist|writer|author|founder|owner|maintainer|lead|architect|analyst|consultant|administrator|admin|sysadmin|translator|editor|director|professor|physicist|chemist|biologist|mathematician|musician|artist|photographer|chef|pilot|officer|accountant|freelancer|contractor|speaker)\b|^i work (?:as|at|for|in|on)\b|^i live in\b|^i(?:'m| am) (?:based|located) in\b|^i(?:'m| am) (?:colou?r-?blind|deaf|dyslexic|left-handed|vegetarian|vegan|allergic to)\b|^my (?:pronouns|native language|mother tongue|time ?zone|job|role|profession|birthday|email(?: address)?) (?:is|are)\b`)
	momentary = re(`(?i)^my name is (?:in|on|at|not|wrong|missing|mis\w+|the|still|shown|displayed|spel\w+)\b|\b(?:right now|currently trying|at the moment|today|trying to|this week|working on it|stuck|now|it|this)\b`)

	decisionHead = re(`(?i)^(?:key |final |our |the |design |technical )*(?:decisions?|resolutions?|conclusions?)(?: (?:made|taken|so far))?$|^(?:what )?we (?:decided|agreed)(?: on)?$|^agreed$`)
	factHead     = re(`(?i)^(?:key |important |some |quick |the |main |known )*(?:facts?|notes?|summary|key points|takeaways|findings|things to remember|learnings?|lessons(?: learn(?:ed|t))?|gotchas?|remember)$`)

	// What an assistant says of its own work.
	itself = re(`(?i)^i\b|^(?:so|then|therefore|instead),? i\b`)
	report = re(`(?i)\b(?:was|were|has been|have been|is now|are now|now)\b|\bpass(?:es)?\b|\bi\b`)

	pronoun = re(`(?i)^(?:it|this|that|these|those|they|he|she|there)\b`)
)

// Participles that follow never or always in what happened, not in what is asked for.
var happened = func() map[string]bool {
	words := make(map[string]bool)
	for w := range strings.FieldsSeq(`seen heard been had tried used thought knew known worked happened got gotten felt wanted liked loved hated
		understood mind again ever really quite mine ending more a an the to in on as is was were there too before made met ran went said told
		nice good great fun glad happy funny bad sad worth`) {
		words[w] = true
	}
	return words
}()

// Bare is a sentence without the words that it only begins with: so, by the way.
func Bare(sentence string) string {
	if rest, ok := opener.after(sentence); ok && rest != "" {
		return rest
	}
	return sentence
}

// propose applies the rules to one sentence.
func propose(s Sentence, who Speaker) (Proposal, bool) {
	text := s.Text
	if s.Question || question.in(text) || reported.in(text) || strings.Contains(text, "[private]") || strings.HasPrefix(text, `"`) || strings.HasPrefix(text, "“") {
		return Proposal{}, false
	}
	if !remember.in(text) {
		text = Bare(text)
	}
	p := Proposal{Speaker: who, Text: text}
	if !p.classify(s, text) {
		return Proposal{}, false
	}
	p.Text = tidy(p.Text)
	if n := len(strings.Fields(p.Text)); n < minWords && p.Confidence < 0.8 || n < 2 || len([]rune(p.Text)) > maxChars {
		return Proposal{}, false
	}
	return p, true
}

// classify finds the rule for the sentence. The order is from the plainest sign to
// the weakest.
func (p *Proposal) classify(s Sentence, text string) bool {
	is := func(r Rule, confidence float64, what string) bool {
		p.Rule, p.Confidence, p.Text = r, confidence, what
		return true
	}
	user := p.Speaker == User
	if rest, ok := decision.after(text); ok {
		// What an assistant concludes is a finding.
		return !begins.in(rest) && (user || strings.Contains(strings.ToLower(text[:len(text)-len(rest)]), "deci")) && is(Decision, 0.8, rest)
	}
	if user {
		if task.in(text) {
			return false
		}
		if rest, ok := remember.after(text); ok {
			// A note of what somebody does, or of how things stand, is for the moment.
			if elsewhere.in(rest) {
				return false
			}
			if noted.in(text) && (status.in(rest) || itself.in(rest) && p.kindOfFact(rest) == Fact) {
				return false
			}
			return !unsure.in(rest) && is(p.kindOfFact(rest), 0.8, rest)
		}
		if callMe.in(text) && !callBack.in(text) {
			return !unsure.in(text) && is(Identity, 0.8, text)
		}
	}
	if begins.in(text) {
		return false
	}
	if (decided.in(text) || passive.in(text)) && !unsure.in(text) && !notDecided.in(text) && (user && !youDecided.in(text) || !user && !itself.in(text)) {
		return is(Decision, 0.75, text)
	}
	if s.Item && decisionHead.in(s.Heading) {
		return !unsure.in(text) && is(Decision, 0.7, text)
	}
	if user && p.asks(text, is) {
		return true
	}
	if s.Item && factHead.in(s.Heading) && !unsure.in(text) && !pronoun.in(text) && assertion.in(text) && !working.in(text) {
		if user {
			return is(Fact, 0.6, text)
		}
		return !report.in(text) && is(Fact, 0.4, text)
	}
	return false
}

// asks applies the rules for what only a user can say.
func (p *Proposal) asks(text string, is func(Rule, float64, string) bool) bool {
	if pending.in(text) {
		return false
	}
	switch hedged := unsure.in(preferred().ReplaceAllString(strings.ReplaceAll(text, "I'd ", "I "), "prefer")); {
	case hedged:
		return false
	case (goingWith.in(text) || bareGoing.in(text)) && !passing.in(text), refused.in(text):
		return is(Decision, 0.65, text)
	case lets.in(text) && !passing.in(text) && (contrast.in(text) || fromNow.in(text)):
		return is(Decision, 0.6, text)
	case fromNow.in(text) && (always.in(text) || working.in(text) || lets.in(text) || fromNow.in(text) && !assertionOfFuture.in(text)):
		return is(Preference, 0.75, text)
	case prefer.in(text) && !oneOff.in(text):
		return is(Preference, 0.75, text)
	case whenever.in(text) && !specific.in(text):
		return is(Preference, 0.6, text)
	case dont.in(text) && !specific.in(text) && !reminder.in(text):
		return is(Preference, 0.55, text)
	}
	if m := always().FindStringSubmatch(text); m != nil && !regret.in(text) && imperative(strings.ToLower(m[1]+m[2]+m[3])) {
		return is(Preference, 0.75, text)
	}
	if identity.in(text) && !momentary.in(text) {
		return is(Identity, 0.75, text)
	}
	if rest, ok := correct.after(text); ok && len(strings.Fields(rest)) >= minWords && assertion.in(rest) && !instruction.in(rest) && !status.in(rest) {
		p.Working = working.in(rest)
		return is(Correction, 0.5, rest)
	}
	return false
}

// imperative reports whether a verb asks for something (always run), and does not
// tell what happens (always runs, always thought).
func imperative(verb string) bool {
	thirdPerson := strings.HasSuffix(verb, "s") && !strings.HasSuffix(verb, "ss") && !strings.HasSuffix(verb, "us")
	return !happened[verb] && !thirdPerson
}

var (
	assertionOfFuture = re(`(?i)\b(?:will be|is going to|are going to|plan to|planned|hope to|want to|may)\b`)
	oneOff            = re(`(?i)\b(?:(?:i (?:don'?t|do not) (?:want|like)) (?:to (?:see|go|do|talk|think|spend|waste)|that|this|it)\b|i (?:want|need) (?:all|every|my) \w+ (?:to (?:be )?)?(?:fixed|done|deleted|removed|pass|work|compile|run)\b|\b(?:stop|wait) (?:here|there|for me)\b|\bprefer (?:the|your) (?:first|second|third|last|other|latter|former)\b|\b(?:today|from yesterday|from the last)\b|\b(?:all of|hate|dislike|can'?t stand) (?:this|that|it|these|those)\b|, (?:please )?(?:call|make|change|rename|move|remove|turn|try) )`)
	specific          = re(`(?i)\b(?:this|that|these|those|it|them|here|there|the (?:file|test|branch|server|build|line|change|commit|process)|(?:anything|everything) else|until)\b`)
	instruction       = re(`(?i)^(?:just |please )?(?:wait|stop|revert|undo|go back|try|fix|show|delete|forget|leave|ignore)\b|^(?:i|we)(?:'m| am|'ve| have|'ll| will| just| did| think| need| want)\b|^let me\b|^(?:run|use|put|make|keep|move|call|check|name|add|remove|test|read|write|start|place) (?:it|this|that|them|these|those)\b|^(?:the|your) (?:first|second|third|last|other|previous|old|new) (?:one|version)\b|^i mean\b|^(?:that|this|it) (?:did|does|doesn'?t|didn'?t|still|only)\b|^(?:that|this|it)(?:'s| is| was) not what\b`)
)

// kindOfFact is the rule for what somebody asked to remember.
func (p *Proposal) kindOfFact(text string) Rule {
	switch {
	case decided.in(text), passive.in(text):
		return Decision
	case prefer.in(text), always.in(text), fromNow.in(text), dont.in(text):
		return Preference
	case identity.in(text), callMe.in(text):
		return Identity
	}
	return Fact
}

// tidy is a proposal as it is kept: on one line, with a capital.
func tidy(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	// A name in code, which has other signs in it, stays as it is.
	first, _, _ := strings.Cut(s, " ")
	if strings.IndexFunc(first, func(r rune) bool { return r != '\'' && r != ',' && r != '’' && (r < 'a' || r > 'z') }) >= 0 {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
