package evaluation

import "io"

// CorpusFrom, QuestionsFrom, LabelsFrom, SpansFrom and RunFrom read what is at
// hand rather than a file.
func CorpusFrom(r io.Reader) (out []Document, err error) {
	err = readLines(r, "input", corpusLine("input", &out))
	return out, err
}

func QuestionsFrom(r io.Reader) (out []Question, err error) {
	err = readLines(r, "input", questionLine("input", &out))
	return out, err
}

func LabelsFrom(r io.Reader) (Labels, error) {
	out := Labels{}
	return out, readLines(r, "input", labelLine("input", out))
}

func SpansFrom(r io.Reader) (SpanLabels, error) {
	out := SpanLabels{}
	return out, readLines(r, "input", spanLine("input", out))
}

func RunFrom(r io.Reader) (Run, error) {
	rows := map[string][]runRow{}
	err := readLines(r, "input", runLine("input", rows))
	return newRun(rows), err
}
