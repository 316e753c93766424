package ec2

import (
	"fmt"
	"net/http"

	"github.com/penstock-ci/penstock/internal/op"
)

func fail(code, format string, args ...any) *op.Error {
	return &op.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func noVPC(id string) *op.Error {
	return fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
}

func noSubnet(id string) *op.Error {
	return fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}

func noTable(id string) *op.Error {
	return fail("InvalidRouteTableID.NotFound", "The routeTable ID '%s' does not exist", id)
}

func noGateway(id string) *op.Error {
	return fail("InvalidInternetGatewayID.NotFound", "The internetGateway ID '%s' does not exist", id)
}

func noNAT(id string) *op.Error {
	return fail("NatGatewayNotFound", "NatGateway %s was not found", id)
}

func noGroup(id string) *op.Error {
	return fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

func noInterface(id string) *op.Error {
	return fail("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", id)
}

func noAllocation(id string) *op.Error {
	return fail("InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist", id)
}

func noAssociation(id string) *op.Error {
	return fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

func depends(kind, id string) *op.Error {
	return fail("DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.", kind, id)
}

func invalid(format string, args ...any) *op.Error {
	return fail("InvalidParameterValue", format, args...)
}

func missing(name string) *op.Error {
	return fail("MissingParameter", "The request must contain the parameter %s", name)
}

func refused(format string, args ...any) *op.Error {
	return fail("UnsupportedOperation", format, args...)
}

var dryRun = op.Error{Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", Status: http.StatusPreconditionFailed}
