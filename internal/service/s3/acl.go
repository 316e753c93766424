package s3

import "github.com/penstock-ci/penstock/internal/op"

// checkACL refuses a list that gives an object to others than its account. Buckets
// are as AWS has made them since April 2023, with access control lists disabled
// (Object Ownership "bucket owner enforced"): policies alone say who may read.
func checkACL(canned *string, grants ...*string) error {
	disabled := &op.Error{Code: "AccessControlListNotSupported", Message: "The bucket does not allow ACLs"}
	switch op.Val(canned) {
	case "", "private", "bucket-owner-full-control":
	default:
		return disabled
	}
	for _, g := range grants {
		if g != nil {
			return disabled
		}
	}
	return nil
}
