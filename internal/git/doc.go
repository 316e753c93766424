// Package git keeps bare repositories on disk and serves them by Git's smart HTTP
// protocol. The git program does the work; the codecommit service says who may and
// hears of every push. It knows no AWS operation.
package git
