// Package bench measures what Penstock promises, as its users get it: it speaks to a
// server of its own as any client of the AWS API does, and beside each figure takes,
// in the same run and on the same machine, the floor that no such program can pass.
// Two rows look inside: a call from one service to another and a durable change have
// no client. penstock bench calls it; it removes nothing of the server's, its caller does.
package bench
