package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Replace puts r in the place of the table of its name, in one step: a packet
// meets the old rules or the new ones, never none.
func (n *Namespace) Replace(r Ruleset) error {
	c, err := n.tables()
	if err != nil {
		return err
	}
	t := &nftables.Table{Name: r.Table, Family: nftables.TableFamilyIPv4}
	c.AddTable(t) // so that the deletion finds one
	c.DelTable(t)
	c.AddTable(t)
	b := builder{c: c, t: t, sets: map[string]*nftables.Set{}}
	for _, ch := range r.Chains {
		c.AddChain(b.chain(ch))
	}
	for _, s := range r.Sets {
		if err := b.set(s); err != nil {
			return fmt.Errorf("set %s: %w", s.Name, err)
		}
	}
	for _, m := range r.Maps {
		if err := b.mapping(m); err != nil {
			return fmt.Errorf("map %s: %w", m.Name, err)
		}
	}
	for _, ch := range r.Chains {
		for _, rule := range ch.Rules {
			exprs, err := b.rule(rule)
			if err != nil {
				return fmt.Errorf("chain %s, rule %q: %w", ch.Name, rule, err)
			}
			c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: ch.Name, Table: t}, Exprs: exprs})
		}
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("replace nftables table %s in %s: %w", r.Table, n, err)
	}
	return nil
}

// DeleteTable is done when there is no such table.
func (n *Namespace) DeleteTable(name string) error {
	c, err := n.tables()
	if err != nil {
		return err
	}
	c.DelTable(&nftables.Table{Name: name, Family: nftables.TableFamilyIPv4})
	if err := c.Flush(); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete nftables table %s in %s: %w", name, n, err)
	}
	return nil
}

// CountRules tells how many rules the table has, by chain; none where it is gone.
func (n *Namespace) CountRules(table string) (map[string]int, error) {
	c, err := n.tables()
	if err != nil {
		return nil, err
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return nil, fmt.Errorf("list the chains of %s: %w", n, err)
	}
	out := map[string]int{}
	for _, ch := range chains {
		if ch.Table.Name != table {
			continue
		}
		rules, err := c.GetRules(ch.Table, ch)
		if err != nil {
			return nil, fmt.Errorf("list the rules of chain %s of %s: %w", ch.Name, n, err)
		}
		out[ch.Name] = len(rules)
	}
	return out, nil
}

// Count is what CountRules tells of r once it is in force.
func (r Ruleset) Count() map[string]int {
	out := make(map[string]int, len(r.Chains))
	for _, c := range r.Chains {
		out[c.Name] = len(c.Rules)
	}
	return out
}

// builder translates a Ruleset into netlink messages.
type builder struct {
	c    *nftables.Conn
	t    *nftables.Table
	sets map[string]*nftables.Set
}

func (b builder) chain(ch Chain) *nftables.Chain {
	out := &nftables.Chain{Name: ch.Name, Table: b.t}
	hook := map[Hook]struct {
		kind nftables.ChainType
		hook *nftables.ChainHook
		prio *nftables.ChainPriority
	}{
		RawPrerouting:  {nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw},
		Input:          {nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter},
		Forward:        {nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter},
		NATPrerouting:  {nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest},
		NATPostrouting: {nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource},
	}
	if h, ok := hook[ch.Hook]; ok {
		policy := nftables.ChainPolicyAccept
		if ch.Drop {
			policy = nftables.ChainPolicyDrop
		}
		out.Type, out.Hooknum, out.Priority, out.Policy = h.kind, h.hook, h.prio, &policy
	}
	return out
}

// elementsPerMessage keeps a message of a set below netlink's 64 KiB attribute limit.
const elementsPerMessage = 500

func (b builder) add(s *nftables.Set, elements []nftables.SetElement) error {
	s.ID = uint32(len(b.sets) + 1) // unique in the batch; the library's own counter is shared by all goroutines
	first := elements[:min(len(elements), elementsPerMessage)]
	if err := b.c.AddSet(s, first); err != nil {
		return err
	}
	for at := len(first); at < len(elements); at += elementsPerMessage {
		if err := b.c.SetAddElements(s, elements[at:min(len(elements), at+elementsPerMessage)]); err != nil {
			return err
		}
	}
	b.sets[s.Name] = s
	return nil
}

func (b builder) set(s Set) error {
	kind := nftables.TypeIPAddr
	var elements []nftables.SetElement
	for _, a := range s.Addrs {
		elements = append(elements, nftables.SetElement{Key: a.AsSlice()})
	}
	if s.Paired {
		var err error
		if kind, err = nftables.ConcatSetType(nftables.TypeIFName, nftables.TypeIPAddr); err != nil {
			return err
		}
		for _, p := range s.Pairs {
			elements = append(elements, nftables.SetElement{Key: append(linkName(p.Link), p.Addr.AsSlice()...)})
		}
	}
	return b.add(&nftables.Set{Table: b.t, Name: s.Name, KeyType: kind, Concatenation: s.Paired}, elements)
}

func (b builder) mapping(m Map) error {
	s := &nftables.Set{Table: b.t, Name: m.Name, KeyType: nftables.TypeIPAddr, IsMap: true, DataType: nftables.TypeVerdict}
	var elements []nftables.SetElement
	for _, a := range sortedAddrs(m.Jumps) {
		elements = append(elements, nftables.SetElement{Key: a.AsSlice(), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: m.Jumps[a]}})
	}
	if m.Jumps == nil {
		s.DataType = nftables.TypeIPAddr
		for _, a := range sortedAddrs(m.Addrs) {
			elements = append(elements, nftables.SetElement{Key: a.AsSlice(), Val: m.Addrs[a].AsSlice()})
		}
	}
	return b.add(s, elements)
}

// Offsets in the IPv4 header.
const (
	sourceAt      = 12
	destinationAt = 16
)

func (b builder) rule(r Rule) (out []expr.Any, err error) {
	if r.In != "" {
		out = append(out, &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(linkName(r.In)))
	}
	if r.Out != "" {
		out = append(out, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, equal(linkName(r.Out)))
	}
	if r.Linked != "" {
		// The name fills register 1 (16 bytes), the address follows in register 2.
		out = append(out, &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, address(sourceAt, 2))
		if out, err = b.lookup(out, r.Linked); err != nil {
			return nil, err
		}
	}
	if out, err = b.match(out, r.From, sourceAt); err != nil {
		return nil, err
	}
	if out, err = b.match(out, r.To, destinationAt); err != nil {
		return nil, err
	}
	if r.State != 0 {
		out = append(out, &expr.Ct{Key: expr.CtKeySTATE, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(uint32(r.State)), Xor: make([]byte, 4)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)})
	}
	if r.Protocol != 0 {
		out = append(out, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{r.Protocol}))
	}
	if r.Ports != (Range{}) {
		out = append(out, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: binaryutil.BigEndian.PutUint16(r.Ports.First)},
			&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: binaryutil.BigEndian.PutUint16(r.Ports.Last)})
	}
	if r.ICMP != nil {
		for offset, v := range []int{r.ICMP.Type, r.ICMP.Code} {
			if v >= 0 {
				out = append(out, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: uint32(offset), Len: 1}, equal([]byte{byte(v)}))
			}
		}
	}
	return b.verdict(out, r.Do)
}

func (b builder) match(out []expr.Any, m Match, at uint32) ([]expr.Any, error) {
	switch {
	case m.Set != "":
		return b.lookup(append(out, address(at, 1)), m.Set)
	case !m.Prefix.IsValid() || m.Prefix.Bits() == 0:
		return out, nil
	}
	mask := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), m.Prefix.Bits()).Masked().Addr()
	return append(out, address(at, 1),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask.AsSlice(), Xor: make([]byte, 4)},
		equal(m.Prefix.Masked().Addr().AsSlice())), nil
}

func (b builder) lookup(out []expr.Any, set string) ([]expr.Any, error) {
	s, ok := b.sets[set]
	if !ok {
		return nil, fmt.Errorf("no set %q", set)
	}
	return append(out, &expr.Lookup{SourceRegister: 1, SetID: s.ID, SetName: s.Name}), nil
}

func (b builder) verdict(out []expr.Any, v Verdict) ([]expr.Any, error) {
	switch v.Act {
	case Accept:
		return append(out, &expr.Verdict{Kind: expr.VerdictAccept}), nil
	case Drop:
		return append(out, &expr.Verdict{Kind: expr.VerdictDrop}), nil
	case Jump:
		return append(out, &expr.Verdict{Kind: expr.VerdictJump, Chain: v.Name}), nil
	case Goto:
		return append(out, &expr.Verdict{Kind: expr.VerdictGoto, Chain: v.Name}), nil
	case Masquerade:
		return append(out, &expr.Masq{}), nil
	case ClampMSS:
		return append(out, clamp()...), nil
	case SNAT:
		return append(out, &expr.Immediate{Register: 1, Data: v.Addr.AsSlice()}, nat(expr.NATTypeSourceNAT)), nil
	}
	s, ok := b.sets[v.Name]
	if !ok {
		return nil, fmt.Errorf("no map %q", v.Name)
	}
	at := uint32(sourceAt)
	if v.Act == MapTo || v.Act == DNATMap {
		at = destinationAt
	}
	find := &expr.Lookup{SourceRegister: 1, SetID: s.ID, SetName: s.Name, IsDestRegSet: true}
	out = append(out, address(at, 1), find)
	switch v.Act {
	case SNATMap, DNATMap:
		find.DestRegister = 1
		kind := expr.NATTypeSourceNAT
		if v.Act == DNATMap {
			kind = expr.NATTypeDestNAT
		}
		return append(out, nat(kind)), nil
	case MapFrom, MapTo:
		return out, nil // register 0 is the verdict
	}
	return nil, fmt.Errorf("unknown verdict %q", v.Act)
}

func nat(kind expr.NATType) expr.Any {
	return &expr.NAT{Type: kind, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}
}

// clamp lowers the segment size that a SYN offers to what the route carries.
func clamp() []expr.Any {
	const syn, flagsAt, tcpOptionMSS = 0x02, 13, 2
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: flagsAt, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{syn}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0}},
		&expr.Rt{Register: 1, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 2, Size: 2},
		&expr.Exthdr{SourceRegister: 1, Type: tcpOptionMSS, Offset: 2, Len: 2, Op: expr.ExthdrOpTcpopt},
	}
}

func address(at, register uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: 4}
}

func equal(b []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: b} }

// linkName is a name as the kernel compares it.
func linkName(s string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, s)
	return b
}
