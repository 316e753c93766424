package identity

import (
	"strconv"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/identity/policy"
	"github.com/penstock-ci/penstock/internal/op"
)

// Keys are the condition keys that identity itself fills, whatever the operation, as
// AWS writes them; a name that ends in a slash stands for a key per tag.
func Keys() []string {
	return []string{
		"aws:CurrentTime", "aws:EpochTime", "aws:MultiFactorAuthPresent", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalIsAWSService",
		"aws:PrincipalServiceName", "aws:PrincipalTag/", "aws:PrincipalType", "aws:RequestedRegion", "aws:ResourceAccount", "aws:SecureTransport",
		"aws:SourceAccount", "aws:SourceArn", "aws:SourceIp", "aws:SourceVpc", "aws:TokenIssueTime", "aws:UserAgent", "aws:ViaAWSService", "aws:VpcSourceIp",
		"aws:userid", "aws:username",
	}
}

// request is q with every condition key that is known about caller and request.
func (a *Authority) request(q Question, p principal) *policy.Request {
	facts := map[string][]string{}
	set := func(key, value string) {
		if value != "" {
			facts[key] = []string{value}
		}
	}
	now := a.Clock.Now()
	set("aws:currenttime", now.UTC().Format(time.RFC3339))
	set("aws:epochtime", strconv.FormatInt(now.Unix(), 10))
	set("aws:requestedregion", q.Caller.Region)
	set("aws:principaltype", p.kind)
	set("aws:principalaccount", p.who.Account)
	set("aws:principalarn", p.who.ARN)
	set("aws:userid", q.Caller.PrincipalID)
	set("aws:username", p.name)
	set("aws:principalisawsservice", strconv.FormatBool(p.kind == "Service"))
	set("aws:viaawsservice", "false")
	for k, v := range p.tags {
		set("aws:principaltag/"+strings.ToLower(k), v)
	}
	if p.who.Role != "" {
		set("aws:principalarn", p.who.Role)
	}
	if res, ok := arn.Parse(q.Resource); ok && isAccount(res.Account) {
		set("aws:resourceaccount", res.Account)
	}
	if p.kind == "Service" { // with a role's session AWS tells no source
		set("aws:principalservicename", q.Caller.Service)
		set("aws:sourcearn", q.Caller.Source)
		if source, ok := arn.Parse(q.Caller.Source); ok {
			set("aws:sourceaccount", source.Account)
		}
	}
	a.session(q.Caller, set)
	origin(q.Caller, set)
	for k, v := range q.Context {
		facts[strings.ToLower(k)] = v
	}
	return &policy.Request{Action: q.Action, Resource: q.Resource, Principal: p.who, Context: facts}
}

func (a *Authority) session(c op.Caller, set func(key, value string)) {
	if c.Session == nil {
		return
	}
	set("aws:multifactorauthpresent", "false")
	issued := c.Session.IssuedAt
	if issued == 0 { // a service that acts with the role took it just now
		issued = a.Clock.Now().Unix()
	}
	set("aws:tokenissuetime", time.Unix(issued, 0).UTC().Format(time.RFC3339))
}

// origin: as on AWS a request that came through a VPC has its VPC, and no
// address of the public Internet.
func origin(c op.Caller, set func(key, value string)) {
	if c.Origin.Address.IsValid() {
		if c.Origin.VPC == "" {
			set("aws:sourceip", c.Origin.Address.Unmap().String())
		} else {
			set("aws:vpcsourceip", c.Origin.Address.Unmap().String())
		}
		set("aws:securetransport", strconv.FormatBool(c.Origin.TLS))
	}
	set("aws:sourcevpc", c.Origin.VPC)
	set("aws:useragent", c.Origin.UserAgent)
	if c.Service != "" { // our own process: never over a wire
		set("aws:securetransport", "true")
	}
}
