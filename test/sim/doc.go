// Package sim plays the delivery, from commit to deployment, in virtual time: the real
// pipelines, builds, tasks, rules, dispatcher, engine and database, with containers
// that are scripts. The server dies after commits and effects, and another one goes
// on: once after each of them in turn, then many times at points that a seed picks.
// Each run ends with the proof, by rows, receipts, pods and facts, that everything was
// done, and once. It holds no production code.
//
//	go test ./test/sim                 1,000 seeds, and the delivery with a crash at each point
//	go test ./test/sim -every 1        every story with a crash at each point
//	go test ./test/sim -seed 42 -v     seed 42 once more, step by step the same
package sim
