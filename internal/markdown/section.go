package markdown

// A section is a heading with the text up to the next one, or the text above
// the first heading.
type section struct {
	start, body, end int // body: behind the heading's lines
	level            int // 0 above the first heading
	path             []string
}

func (b *blocks) sections() []section {
	all := []section{{}}
	var above []heading
	for _, h := range b.headings {
		all[len(all)-1].end = h.start
		for len(above) > 0 && above[len(above)-1].level >= h.level {
			above = above[:len(above)-1]
		}
		above = append(above, h)
		var path []string
		for _, a := range above {
			if a.text != "" {
				path = append(path, a.text)
			}
		}
		all = append(all, section{start: h.start, body: h.end, level: h.level, path: path})
	}
	all[len(all)-1].end = len(b.text)
	return all
}

// pieces cuts the text at its headings and what is longer than Max inside its
// sections, then joins what is too small to stand alone.
//
// A heading with nothing but deeper headings below it goes with the first of
// them, under the path of that one. Every other join gets the headings the two
// paths have in common, so that what a citation names holds all of the text; it
// loses the deeper heading from the path (its line is in the text), so only very
// small pieces are joined, and never where no heading would be left.
func (b *blocks) pieces(o Options) []piece {
	var out []piece
	lead := -1 // where headings without a text of their own began
	sections := b.sections()
	for i, s := range sections {
		if lead < 0 {
			lead = s.start
		}
		bare := s.level > 0 && allBlank(b.text[s.body:s.end])
		if bare && i+1 < len(sections) && sections[i+1].level > s.level {
			continue
		}
		out = b.cut(out, lead, s.end, s.path, o)
		lead = -1
	}
	return join(out, o)
}

// join merges neighbours of which one is smaller than Min.
func join(pieces []piece, o Options) []piece {
	var out []piece
	for i, p := range pieces {
		if len(out) > 0 {
			last := &out[len(out)-1]
			small := last.end-last.start < o.Min || p.end-p.start < o.Min
			common := commonPath(last.path, p.path)
			// Better with the next one, where that shares more of the path.
			next := i+1 < len(pieces) && pieces[i+1].end-p.start <= o.Target && commonPath(p.path, pieces[i+1].path) > common
			alike := common > 0 || len(last.path)+len(p.path) == 0
			if small && alike && p.end-last.start <= o.Target && !next {
				last.end, last.path = p.end, p.path[:common:common]
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// commonPath is the number of headings two paths begin with alike.
func commonPath(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
