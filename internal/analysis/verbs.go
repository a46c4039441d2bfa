package analysis

import "strings"

// irregular leads from an irregular form of an English verb to the stem of its base:
// what was bought is found by who buys. Forms that stand for a word of their own more
// often than for this one (born, lay, might) are not listed. Whole words are looked
// up, not their stems, which other words have as well (that of ate is at).
var irregular = func() map[string]string {
	m := make(map[string]string)
	for group := range strings.SplitSeq(`
		arise arose arisen; awake awoke awoken; bear bore borne; beat beaten; become became; begin began begun; bend bent;
		bite bit bitten; bleed bled; blow blew blown; break broke broken; breed bred; bring brought; build built; burn burnt;
		buy bought; catch caught; choose chose chosen; cling clung; come came; creep crept; deal dealt; dig dug; draw drew drawn;
		dream dreamt; drink drank drunk; drive drove driven; eat ate eaten; fall fell fallen; feed fed; feel felt; fight fought;
		find found; flee fled; fly flew flown; forbid forbade forbidden; forget forgot forgotten; forgive forgave forgiven;
		freeze froze frozen; give gave given; go went gone; grind ground; grow grew grown; hang hung; hear heard; hide hid hidden;
		hold held; keep kept; kneel knelt; know knew known; lay laid; lead led; leap leapt; learn learnt; leave left; lend lent;
		lie lain; light lit; lose lost; make made; mean meant; meet met; mistake mistook mistaken; overcome overcame; pay paid;
		prove proven; ride rode ridden; ring rang rung; rise rose risen; run ran; say said; see saw seen; seek sought; sell sold;
		send sent; sew sewn; shake shook shaken; shine shone; shoot shot; show shown; shrink shrank shrunk; sing sang sung;
		sink sank sunk; sit sat; sleep slept; slide slid; speak spoke spoken; spell spelt; spend spent; spin spun;
		spring sprang sprung; stand stood; steal stole stolen; stick stuck; sting stung; strike struck; swear swore sworn;
		sweep swept; swim swam swum; swing swung; take took taken; teach taught; tear tore torn; tell told; think thought;
		throw threw thrown; undergo underwent undergone; understand understood; undertake undertook undertaken; wake woke woken;
		wear wore worn; weave wove woven; weep wept; win won; wind wound; withdraw withdrew withdrawn; write wrote written
	`, ";") {
		forms := strings.Fields(group)
		for _, form := range forms[1:] {
			m[form] = stem(forms[0])
		}
	}
	return m
}()

// base returns the stem of a word, of an irregular verb that of its base.
func base(word string) string {
	if b, ok := irregular[word]; ok {
		return b
	}
	return stem(word)
}
