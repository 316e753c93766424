// Package wire turns bytes into operations and back: it serves one port on which
// all AWS protocols that Penstock speaks arrive (awsJson 1.0 and 1.1, query, EC2
// query, REST-XML), plain and over TLS. It finds the operation, verifies the
// signature, decodes the input, hands it to a Dispatcher and renders the answer or
// the refusal in the service's own form. cmd/penstock wires it. It decides nothing:
// what may be done and what it means is dispatch's and the services' business.
package wire
