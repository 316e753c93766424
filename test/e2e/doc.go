// Package e2e runs the real binary with real clients, containers and packets. Its
// tests need root and a Docker Engine: `make test` sets both up first.
package e2e
