// Package guard holds the rules of this repository that no compiler knows: who may
// import whom and why, the length of files, words and calls that must not be there.
// It is tests only; nothing imports it. A rule that has to give way gets a line in
// its table, with the reason.
package guard
