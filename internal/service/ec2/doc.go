// Package ec2 is the part of Amazon EC2 that makes networks: VPCs, subnets, route
// tables, gateways, addresses, security groups and network interfaces. Its
// handlers keep AWS's documents and write, in the same transaction, the records
// from which package network makes real namespaces, routes and filters. Other
// services reach it through the dispatcher, above all for network interfaces.
//
// Every account has a default VPC in every region. It is computed, with ids that
// derive from account and region, until the first change in that region writes it down.
//
// Not done, and refused: instances, IPv6, peering, VPC endpoints, network ACLs
// other than the default one (which can be read). A NAT gateway is the one noun with a
// life: pending → available (once packets obey) or failed → deleting → deleted.
package ec2
