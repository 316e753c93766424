// Package truststore knows how images keep the certificates that their programs
// trust: bundles of PEM, OpenSSL's folder of hashed names, Java's key stores. The
// runner and the Docker back end add Penstock's authority to them; both decide
// where a changed store is put. It reads and writes no file.
package truststore
