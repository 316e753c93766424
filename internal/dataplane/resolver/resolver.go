package resolver

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
)

// Resolver answers questions by the table in force.
type Resolver struct {
	table    atomic.Pointer[Table]
	upstream *Upstream
}

// New forwards what is not ours to upstream.
func New(upstream *Upstream) *Resolver {
	r := &Resolver{upstream: upstream}
	r.table.Store(&Table{})
	return r
}

// Use puts t in force.
func (r *Resolver) Use(t *Table) { r.table.Store(t) }

// ttl of our own answers, in seconds: a load balancer or database may move, and
// its new address counts at once for who asks again.
const ttl = 5

// For is the handler of the sockets in one VPC.
func (r *Resolver) For(vpcID string) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		// A client that went away is nobody's error.
		_ = w.WriteMsg(fit(r.answer(vpcID, q), q, w.RemoteAddr().Network()))
	})
}

func (r *Resolver) answer(vpcID string, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	if q.Opcode != dns.OpcodeQuery || len(q.Question) != 1 {
		m.Rcode = dns.RcodeNotImplemented
		return m
	}
	question := q.Question[0]
	name := strings.ToLower(strings.TrimSuffix(question.Name, "."))
	t := r.table.Load()
	if question.Qtype == dns.TypePTR {
		if host, ours := t.reverse(vpcID, name); ours {
			return pointer(m, question.Name, host)
		}
	}
	addrs, kind := t.lookup(vpcID, name)
	switch kind {
	case forward:
		ctx, cancel := context.WithTimeout(context.Background(), forwardTimeout)
		defer cancel()
		return r.upstream.Ask(ctx, q)
	case missing:
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{authority(question.Name)}
	default:
		records(m, question, addrs)
	}
	return m
}

// records puts the addresses in; other types than A of a name we own are NODATA.
func records(m *dns.Msg, q dns.Question, addrs []netip.Addr) {
	m.Authoritative = true
	if q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY {
		for _, a := range addrs {
			if a.Is4() {
				m.Answer = append(m.Answer, &dns.A{Hdr: header(q.Name, dns.TypeA), A: a.AsSlice()})
			}
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{authority(q.Name)}
	}
}

func pointer(m *dns.Msg, name, host string) *dns.Msg {
	m.Authoritative = true
	if host == "" {
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{authority(name)}
		return m
	}
	m.Answer = []dns.RR{&dns.PTR{Hdr: header(name, dns.TypePTR), Ptr: host + "."}}
	return m
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// authority goes with "there is none": resolvers keep it for its Minttl only.
func authority(name string) dns.RR {
	return &dns.SOA{
		Hdr: header(name, dns.TypeSOA), Ns: "ns.penstock.internal.", Mbox: "hostmaster.penstock.internal.",
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: ttl,
	}
}

// fit cuts an answer to what the client can take over UDP; it then asks by TCP.
func fit(m, q *dns.Msg, network string) *dns.Msg {
	if network != "udp" {
		return m
	}
	size := dns.MinMsgSize
	if o := q.IsEdns0(); o != nil {
		size = max(size, int(o.UDPSize()))
	}
	m.Truncate(size)
	return m
}
