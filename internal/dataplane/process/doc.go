// Package process is the data plane's process: names, AWS addresses and load
// balancers of all VPCs, as the last snapshot says. It outlives the server, opens
// no database and holds no secret.
//
// It is replaced without a refused connection: a new process takes the listening
// sockets from the old one over a unix socket, brings the same snapshot into
// force, and the old one ends when its last connection does. Until then it tells
// its successor what it has in flight and follows its snapshots. After a crash the
// next process gets the sockets from the server, which holds duplicates.
package process
