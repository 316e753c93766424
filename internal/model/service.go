// Package model describes AWS services to the wire: protocol, names, operations,
// and the constraints of their inputs. The values are generated into api/<service>;
// wire encodes and decodes by them, dispatch checks by them. It knows no service.
package model

import "sync"

// Protocol is how a service's operations travel.
type Protocol string

// The protocols that Penstock speaks.
const (
	JSON10  Protocol = "json1.0"
	JSON11  Protocol = "json1.1"
	Query   Protocol = "query"
	EC2     Protocol = "ec2"
	RESTXML Protocol = "rest-xml"
)

// Service is what a service's model says of it as a whole.
type Service struct {
	Package   string   // our package, and AWS's CLI name: "elbv2"
	Name      string   // signing name and IAM prefix: "elasticloadbalancing"
	Endpoint  string   // first label or labels of its hosts: "api.ecr"
	Protocol  Protocol //
	Target    string   // prefix of X-Amz-Target, JSON only
	Version   string   // "2016-10-06"
	Namespace string   // of its XML
	Ops       []Operation
	Refused   []Operation // operations of the model that are not generated: names, and of REST protocols methods and URIs

	once  sync.Once
	index map[string]*Operation
}

// Operation is one operation of a service as the wire needs it.
type Operation struct {
	Name          string
	Method, URI   string   // of REST protocols: "GET", "/{Bucket}?versioning"
	Needs         []string // of REST protocols: what a request must carry, "header:x-amz-copy-source", "query:uploadId"
	Status        int      // of a success; 0 means 200
	Root          string   // XML element of the answer: "ListBucketResult"; of query, the wrapper "CreateRoleResult", "" for none
	StreamIn      bool     // the body is a stream beside the input
	StreamOut     bool     // the answer's body is a stream beside the output
	Anonymous     bool     // needs no signature (sts:AssumeRoleWithWebIdentity)
	ChecksumNeeds bool     // the body must come with a checksum or Content-MD5
	NewIn, NewOut func() any
}

// Op finds an operation by name, nil if it is not generated.
func (s *Service) Op(name string) *Operation {
	s.once.Do(func() {
		s.index = make(map[string]*Operation, len(s.Ops))
		for i := range s.Ops {
			s.index[s.Ops[i].Name] = &s.Ops[i]
		}
	})
	return s.index[name]
}

// Knows tells whether AWS has an operation of this name, generated or refused.
func (s *Service) Knows(name string) bool {
	if s.Op(name) != nil {
		return true
	}
	for _, r := range s.Refused {
		if r.Name == name {
			return true
		}
	}
	return false
}
