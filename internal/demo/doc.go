// Package demo tells the reference delivery: it starts a server of its own, makes
// the stack of examples/core-app through the AWS API with the official SDK,
// delivers three commits under load, and says whether what must hold held. It is a
// client like any other: it knows the server's address and keys, nothing else.
package demo
