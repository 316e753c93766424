package wire

import (
	"strings"

	"github.com/penstock-ci/penstock/internal/model"
)

// directory finds services by the names that requests use for them.
type directory struct {
	all     []*model.Service
	signing map[string]*model.Service
	target  map[string]*model.Service
	version map[string][]*model.Service // of query services: several may share a date
	host    map[string]*model.Service
	rest    map[*model.Service]*restRoutes
}

func newDirectory(services []*model.Service) *directory {
	d := &directory{
		all: services, signing: map[string]*model.Service{}, target: map[string]*model.Service{},
		version: map[string][]*model.Service{}, host: map[string]*model.Service{}, rest: map[*model.Service]*restRoutes{},
	}
	for _, s := range services {
		d.signing[s.Name] = s
		d.host[s.Endpoint] = s
		if s.Target != "" {
			d.target[s.Target] = s
		}
		switch s.Protocol {
		case model.Query, model.EC2:
			d.version[s.Version] = append(d.version[s.Version], s)
		case model.RESTXML:
			d.rest[s] = newRestRoutes(s)
		}
	}
	return d
}

// byTarget splits "Prefix.Operation".
func (d *directory) byTarget(target string) (s *model.Service, name string) {
	i := strings.LastIndexByte(target, '.')
	if i < 0 {
		return nil, ""
	}
	return d.target[target[:i]], target[i+1:]
}

// byAction finds the query service that has an operation: versions alone can be
// shared, operations of one version are not.
func (d *directory) byAction(version, action string) *model.Service {
	for _, s := range d.version[version] {
		if s.Knows(action) {
			return s
		}
	}
	if l := d.version[version]; len(l) > 0 {
		return l[0]
	}
	return nil
}

// streamLabels are prefixed to hosts by clients that stream; the service is the next label.
var streamLabels = []string{"streaming-", "stream-"}

// byHost finds the service of an AWS host name: "ecs.us-east-1.amazonaws.com",
// "api.ecr.…", "bucket.s3.…".
func (d *directory) byHost(host string) *model.Service {
	name := hostname(host)
	rest, ok := strings.CutSuffix(strings.TrimSuffix(name, ".cn"), ".amazonaws.com")
	if !ok {
		return nil
	}
	for _, l := range streamLabels {
		rest = strings.TrimPrefix(rest, l)
	}
	labels := strings.Split(rest, ".")
	for n := min(2, len(labels)); n > 0; n-- {
		if s := d.host[strings.Join(labels[:n], ".")]; s != nil {
			return s
		}
	}
	if _, ok := bucketOfHost(host); ok {
		return d.host["s3"]
	}
	return nil
}
