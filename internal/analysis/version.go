package analysis

// Version identifies the analysis. It changes with whatever changes the terms
// of a text, so that a store knows when its full text has to be made anew.
const Version = "2"
