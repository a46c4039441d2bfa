package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/atocore/atocore"
	"github.com/atocore/atocore/internal/benchtext"
)

// What a record is beside its text follows from its number: nine of ten records
// belong to one of nine projects, the others to none; types are mixed as below;
// times are spread evenly over the thousand days from firstDay.
const projects = 9

var firstDay = time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC)

var typeShares = []struct {
	of    atocore.MemoryType
	share int // of a hundred
}{
	{atocore.Episodic, 40},
	{atocore.Knowledge, 40},
	{atocore.ProjectMemory, 15},
	{atocore.Preference, 4},
	{atocore.Adaptation, 1},
}

// attributes is what is filtered by.
type attributes struct {
	project string // empty is global
	typ     atocore.MemoryType
	time    time.Time
}

func attributesOf(record int) attributes {
	f := benchtext.FacetsOf(record)
	a := attributes{time: firstDay.AddDate(0, 0, f.Day)}
	if f.Project > 0 {
		a.project = projectName(f.Project)
	}
	for _, t := range typeShares {
		if f.Percent -= t.share; f.Percent < 0 {
			a.typ = t.of
			break
		}
	}
	return a
}

func projectName(n int) string { return "project-" + strconv.Itoa(n) }

// A filter narrows a search. The zero value does not.
type filter struct {
	name          string
	project       string // finds the global records as well, as atocore does
	typ           atocore.MemoryType
	after, before time.Time // half open
}

var (
	tenthFrom  = firstDay.AddDate(0, 0, 400)
	tenthUntil = firstDay.AddDate(0, 0, 500)

	filters = []filter{
		{name: "none"},
		{name: "project", project: projectName(3)},                                                               // 20 %, half of them global
		{name: "type", typ: atocore.Episodic},                                                                    // 40 %
		{name: "time", after: tenthFrom, before: tenthUntil},                                                     // 10 %
		{name: "combined", project: projectName(3), typ: atocore.Episodic, after: tenthFrom, before: tenthUntil}, // 0.8 %
	}
)

func filterNamed(name string) filter {
	for _, f := range filters {
		if f.name == name {
			return f
		}
	}
	return filter{}
}

func (f *filter) matches(a attributes) bool {
	return (f.project == "" || a.project == f.project || a.project == "") &&
		(f.typ == "" || a.typ == f.typ) &&
		(f.after.IsZero() || !a.time.Before(f.after) && a.time.Before(f.before))
}

// numberOf reads a record's number from its text, whose last word it is; -1 where
// there is none.
func numberOf(text string) int {
	n, err := strconv.Atoi(text[strings.LastIndexByte(text, ' ')+1:])
	if err != nil {
		return -1
	}
	return n
}
