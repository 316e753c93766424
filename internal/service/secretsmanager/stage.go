package secretsmanager

import (
	"slices"
	"time"
)

const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
	pending  = "AWSPENDING"
)

func (s *Secret) version(id string) *Version {
	for i := range s.Versions {
		if s.Versions[i].ID == id {
			return &s.Versions[i]
		}
	}
	return nil
}

func (s *Secret) staged(stage string) *Version {
	for i := range s.Versions {
		if slices.Contains(s.Versions[i].Stages, stage) {
			return &s.Versions[i]
		}
	}
	return nil
}

// take removes a label from whatever version has it.
func (s *Secret) take(stage string) {
	for i := range s.Versions {
		s.Versions[i].Stages = slices.DeleteFunc(s.Versions[i].Stages, func(have string) bool { return have == stage })
	}
}

func (s *Secret) give(id, stage string) {
	s.take(stage)
	v := s.version(id)
	v.Stages = append(v.Stages, stage)
}

// promote moves AWSCURRENT to a version; the old current one becomes
// AWSPREVIOUS.
func (s *Secret) promote(id string) {
	old := s.staged(current)
	if old != nil && old.ID == id {
		return
	}
	if old != nil {
		s.give(old.ID, previous)
	}
	s.give(id, current)
}

// add appends a version. With no stages it becomes current, and AWSPENDING drops
// off the version that was; with stages it gets exactly those, and current too
// where it is the first.
func (s *Secret) add(v Version, stages []string, now time.Time) {
	first := s.staged(current) == nil
	if len(stages) == 0 {
		if old := s.staged(current); old != nil {
			old.Stages = slices.DeleteFunc(old.Stages, func(have string) bool { return have == pending })
		}
	}
	s.Versions = append(s.Versions, v)
	for _, stage := range stages {
		if stage == current {
			s.promote(v.ID)
			continue
		}
		s.give(v.ID, stage)
	}
	if len(stages) == 0 || first {
		s.promote(v.ID)
	}
	s.prune(now)
	s.Changed = now
}

const (
	deprecatedMax = 100
	deprecatedAge = 24 * time.Hour // versions younger than this are kept however many there are
)

// prune forgets the oldest versions without labels beyond deprecatedMax.
func (s *Secret) prune(now time.Time) {
	deprecated := 0
	for _, v := range s.Versions {
		if len(v.Stages) == 0 {
			deprecated++
		}
	}
	s.Versions = slices.DeleteFunc(s.Versions, func(v Version) bool {
		if len(v.Stages) > 0 || deprecated <= deprecatedMax || now.Sub(v.Created) < deprecatedAge {
			return false
		}
		deprecated--
		return true
	})
}

// stages is what DescribeSecret shows: versions that have labels.
func (s Secret) stages() map[string][]string {
	out := map[string][]string{}
	for _, v := range s.Versions {
		if len(v.Stages) > 0 {
			out[v.ID] = v.Stages
		}
	}
	return out
}
