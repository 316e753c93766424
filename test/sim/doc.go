// Package sim runs the engine in virtual time on a real database and crashes it at
// every kind of point: before a commit, after it, after an effect has acted. Its
// tests are the proof that a change is made exactly once however often the server
// dies. It holds no production code.
package sim
