package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// TestTwoInstallationsDoNotTouchEachOther runs two side by side with VPCs of one
// range; the second is removed, and all of the first one's objects are still there.
func TestTwoInstallationsDoNotTouchEachOther(t *testing.T) {
	first := serve(t)
	first.vpc(t)
	// Its kept-ready containers come up after it answers.
	err := until(t.Context(), "two containers kept ready", func() (bool, error) {
		return strings.Count(leftovers(t, first.id), "container ") == 2, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := leftovers(t, first.id)
	t.Run("the second comes and goes", func(t *testing.T) {
		second := serve(t)
		second.vpc(t)
		if second.id == first.id {
			t.Fatal("two installations have one id")
		}
	})
	if after := leftovers(t, first.id); after != before {
		t.Errorf("the first installation had\n%s\nand has\n%s", before, after)
	}
	if got, err := first.aws.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); err != nil || len(got.Vpcs) == 0 {
		t.Errorf("the first installation answers with %v, %v", got, err)
	}
}

func (in *installation) vpc(t *testing.T) {
	t.Helper()
	vpc, err := in.aws.EC2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: new("10.77.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.aws.EC2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: new("10.77.1.0/24")}); err != nil {
		t.Fatal(err)
	}
}
