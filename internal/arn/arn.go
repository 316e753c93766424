// Package arn reads and writes Amazon Resource Names.
package arn

import "strings"

// ARN is arn:Partition:Service:Region:Account:Resource.
type ARN struct{ Partition, Service, Region, Account, Resource string }

// Parse splits s; ok is false where s is not an ARN.
func Parse(s string) (a ARN, ok bool) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, false
	}
	return ARN{p[1], p[2], p[3], p[4], p[5]}, true
}

// New is an ARN in the partition aws.
func New(service, region, account, resource string) string {
	return ARN{"aws", service, region, account, resource}.String()
}

func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Name is what follows the last slash of the resource.
func (a ARN) Name() string { return a.Resource[strings.LastIndexByte(a.Resource, '/')+1:] }
