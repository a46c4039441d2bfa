//go:build race

package index_test

// raceEnabled says that everything takes several times as long.
const raceEnabled = true
