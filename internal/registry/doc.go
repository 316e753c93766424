// Package registry is the image registry: its records (repositories, images, tags,
// layers) and the OCI distribution protocol over them, for
// <account>.dkr.ecr.<region>.amazonaws.com, for its alias on the loopback port
// (127.0.0.1:PORT/<account>.<region>/<repository>) and, read only, for the public
// registries whose images the mirror keeps.
//
// cmd mounts Handler; the ecr service writes the same records through its AWS
// operations; images reads them to find what a task starts. Every verb is authorised
// as the ecr: action that it is on AWS. It knows no AWS operation's types.
//
// An upload lives in the server's memory and one file: a server that is killed
// forgets it, and the client pushes that layer again, as clients do.
package registry
