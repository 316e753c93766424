package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/penstock-ci/penstock/internal/network/kernel"
)

// Check compares the kernel with what was applied, mends it, and tells what it
// had to mend.
func (p *Plane) Check(ctx context.Context) (mended []string, err error) {
	select {
	case <-p.ready:
	default:
		return nil, nil
	}
	mended, err = p.check()
	if len(mended) == 0 || err != nil {
		return mended, err
	}
	p.mu.Lock()
	p.inForce = false
	for _, id := range mended {
		if l := p.vpcs[id]; l != nil {
			l.text = ""
		}
	}
	p.mu.Unlock()
	_, err = p.Publish(ctx)
	return mended, err
}

func (p *Plane) check() (wrong []string, err error) {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	host, err := p.hostIsWrong()
	if err != nil {
		return nil, err
	}
	if host != "" {
		if err := p.makeEdge(); err != nil {
			return nil, err
		}
		wrong = append(wrong, host)
	}
	p.mu.Lock()
	all := maps.Clone(p.vpcs)
	p.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if p.isWrong(id, all[id]) {
			wrong = append(wrong, id)
		}
	}
	return wrong, nil
}

func (p *Plane) isWrong(id string, l *live) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone || l.text == "" {
		return false
	}
	inode, err := kernel.Inode(p.place(id))
	if err != nil || inode != l.inode || l.ns.Index(uplink) == 0 {
		return true
	}
	have, err := l.ns.CountRules(table)
	return err != nil || !maps.Equal(have, l.plan.Filter.Count())
}

// hostIsWrong names what of edge or host is not ours any more. Forward rules are mended at once.
func (p *Plane) hostIsWrong() (string, error) {
	if !kernel.Exists(Edge.Path(p.netns())) || p.edge.Index(hostLink) == 0 || p.host.Index(p.hostLinkName()) == 0 {
		return "edge", nil
	}
	edge, err := p.edge.CountRules(table)
	if err != nil || !maps.Equal(edge, edgeFilter().Count()) {
		return "edge", err
	}
	host, err := p.host.CountRules(p.hostTableName())
	if err != nil || !maps.Equal(host, p.hostFilter().Count()) {
		return "host", err
	}
	if err := p.forwarding(); err != nil {
		return "", err
	}
	changed, err := p.forwardRules("-I")
	if changed {
		p.d.Log.Info("the host's forward rules were gone and are back")
	}
	return "", err
}

// RemoveAll takes down everything of the installation: links, namespaces,
// tables, claims. It needs no Start before it.
func (p *Plane) RemoveAll(ctx context.Context) error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if p.host == nil {
		host, err := kernel.Open("")
		if err != nil {
			return err
		}
		p.host = host
	}
	if p.edge == nil && kernel.Exists(Edge.Path(p.netns())) {
		edge, err := kernel.Open(Edge.Path(p.netns()))
		note(err)
		p.edge = edge
	}
	for _, id := range p.files("vpc-") {
		note(p.takeDown(id))
	}
	for _, id := range p.files("eni-") {
		note(kernel.Remove(Place{"eni", id}.Path(p.netns())))
	}
	note(p.host.Delete(p.hostLinkName()))
	note(p.host.DeleteTable(p.hostTableName()))
	_, err := p.forwardRules("-D")
	note(err)
	if p.edge != nil {
		p.edge.Close()
		p.edge = nil
	}
	note(kernel.Remove(Edge.Path(p.netns())))
	link, err := p.claimLink()
	note(err)
	if err == nil {
		for n := range 1 << (30 - hostLinks.Bits()) {
			if linkPrefix(n) == link {
				note(os.Remove(p.claim(n)))
			}
		}
	}
	note(p.restoreForwarding())
	note(os.RemoveAll(filepath.Join(p.d.Root, "attached")))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the network of installation %s: %w", p.d.Installation, err)
	}
	return nil
}

// takeDown removes a VPC whether or not this process has it open.
func (p *Plane) takeDown(id string) error {
	p.mu.Lock()
	known := p.vpcs[id] != nil && p.vpcs[id].ns != nil
	p.mu.Unlock()
	if !known && kernel.Exists(p.place(id)) {
		ns, err := kernel.Open(p.place(id))
		if err != nil {
			return err
		}
		defer ns.Close()
		if err := errors.Join(ns.DeleteLinks("e"), ns.Delete(uplink)); err != nil {
			return err
		}
	}
	if p.edge == nil {
		return kernel.Remove(p.place(id))
	}
	return p.removeVPC(id)
}
