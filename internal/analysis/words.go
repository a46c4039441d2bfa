package analysis

import "strings"

// functionWords are the English words that shape a question and say nothing of
// what it is about.
var functionWords = func() map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(`
		a an the this that these those such same other another else
		i me my mine myself we us our ours ourselves you your yours yourself yourselves
		he him his himself she her hers herself it its itself they them their theirs themselves
		one ones someone anyone everyone something anything everything
		who whom whose which what when where why how whether while
		am is are was were be been being isnt arent wasnt werent aint
		do does did doing done dont doesnt didnt have has had having havent hasnt hadnt
		can could may might must shall should will would cant cannot couldnt shouldnt wont wouldnt mustnt
		and or but nor not no if then than so because as since until unless though although however
		of in on at by to from for with without within into onto upon over under above below
		between among through during before after about against along across around behind beside
		beyond near off out up down toward towards per via
		all any both each either neither every few more most much many some several own only
		just very too also quite rather still yet again ever never always already here there now
		let lets please get gets got s t d ll m re ve
	`) {
		set[w] = true
	}
	return set
}()

// functionWord reports whether a word in lower case is one.
func functionWord(word string) bool { return functionWords[word] }

// askingWord reports whether a word in lower case shapes a question as function
// words do, though it has a content of its own in a text.
func askingWord(word string) bool {
	switch word {
	case "use", "used", "uses", "using", "given":
		return true
	}
	return false
}
