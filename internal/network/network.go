// Package network makes VPCs real: its records (written by the services in the
// transaction of the change that causes them) → a pure plan → namespaces, links,
// routes and nftables. It knows no AWS service.
package network

import (
	"path/filepath"
	"strings"
)

// Place is a network namespace in which sockets of the data plane lie.
//
//	vpc        the VPC's own namespace (resolver, link-local services)
//	eni        the namespace of an interface that has one of its own (load balancers)
//	edge       where the AWS service addresses listen
type Place struct{ Kind, ID string }

// Path is the bind-mounted namespace file of p below root (/run/penstock/<installation>/netns).
func (p Place) Path(root string) string {
	return filepath.Join(root, strings.Trim(p.Kind+"-"+p.ID, "-"))
}

// ServiceVPC is the id of the namespace for builds and tasks that have no VPC:
// NAT to the edge and nothing else.
const ServiceVPC = "service"
