package resolver

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
	"github.com/penstock-ci/penstock/internal/dataplane"
)

func TestNamesResolveAsInAVPC(t *testing.T) {
	t.Parallel()
	r := New(NewUpstream(filepath.Join(t.TempDir(), "none")))
	r.Use(NewTable(dataplane.Snapshot{
		VPCs: []dataplane.VPC{{ID: "vpc-1", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}, {ID: "vpc-2"}},
		Names: []dataplane.Name{
			{VPC: "vpc-1", Name: "db.x1.us-east-1.rds.amazonaws.com", Addresses: []netip.Addr{netip.MustParseAddr("10.0.5.9")}},
			{Name: "public.ecr.aws", Addresses: []netip.Addr{dataplane.ServiceAddress}},
		},
	}))
	for title, tc := range map[string]struct {
		vpc, name string
		kind      uint16
		want      string // the first answer's address or name
		rcode     int
	}{
		"a service is the service address":             {"vpc-1", "sts.us-east-1.amazonaws.com.", dns.TypeA, "198.18.0.1", 0},
		"case does not matter":                         {"vpc-2", "S3.AmazonAWS.com.", dns.TypeA, "198.18.0.1", 0},
		"a bucket host is the service address":         {"vpc-1", "b.s3.us-east-1.amazonaws.com.", dns.TypeA, "198.18.0.1", 0},
		"the rds API is the service address":           {"vpc-1", "rds.us-east-1.amazonaws.com.", dns.TypeA, "198.18.0.1", 0},
		"AAAA of our own name is no data":              {"vpc-1", "sts.amazonaws.com.", dns.TypeAAAA, "", 0},
		"a database is known in its VPC":               {"vpc-1", "db.x1.us-east-1.rds.amazonaws.com.", dns.TypeA, "10.0.5.9", 0},
		"a database is not known in another VPC":       {"vpc-2", "db.x1.us-east-1.rds.amazonaws.com.", dns.TypeA, "", dns.RcodeNameError},
		"a load balancer that is not there is missing": {"vpc-1", "x-1.us-east-1.elb.amazonaws.com.", dns.TypeA, "", dns.RcodeNameError},
		"a pod's own name":                             {"vpc-1", "ip-10-0-1-5.", dns.TypeA, "10.0.1.5", 0},
		"a pod's full name":                            {"vpc-1", "ip-10-0-1-5.ec2.internal.", dns.TypeA, "10.0.1.5", 0},
		"a pod's name of another VPC":                  {"vpc-2", "ip-10-0-1-5.ec2.internal.", dns.TypeA, "", dns.RcodeNameError},
		"an address has a name":                        {"vpc-1", "5.1.0.10.in-addr.arpa.", dns.TypePTR, "ip-10-0-1-5.ec2.internal.", 0},
		"a private address elsewhere has none":         {"vpc-1", "1.1.168.192.in-addr.arpa.", dns.TypePTR, "", dns.RcodeNameError},
		"a name known everywhere":                      {"vpc-2", "public.ecr.aws.", dns.TypeA, "198.18.0.1", 0},
		"another name without a host resolver":         {"vpc-1", "example.com.", dns.TypeA, "", dns.RcodeServerFailure},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m := r.answer(tc.vpc, new(dns.Msg).SetQuestion(tc.name, tc.kind))
			if m.Rcode != tc.rcode {
				t.Fatalf("rcode %s, want %s", dns.RcodeToString[m.Rcode], dns.RcodeToString[tc.rcode])
			}
			var got string
			if len(m.Answer) > 0 {
				got = dns.Field(m.Answer[0], 1)
			}
			if got != tc.want {
				t.Fatalf("answer %q, want %q", got, tc.want)
			}
		})
	}
}

func FuzzNamesNeverPanic(f *testing.F) {
	f.Add("ip-10-0-0-1.ec2.internal")
	f.Add("1.0.0.10.in-addr.arpa")
	t := NewTable(dataplane.Snapshot{VPCs: []dataplane.VPC{{ID: "v", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}}})
	f.Fuzz(func(_ *testing.T, name string) {
		t.lookup("v", name)
		t.reverse("v", name)
	})
}
