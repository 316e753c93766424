package ecr

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/registry"
)

// lifecyclePolicy is a document of PutLifecyclePolicy, pure.
type lifecyclePolicy struct {
	Rules []lifecycleRule `json:"rules"`
}

type lifecycleRule struct {
	Priority    int       `json:"rulePriority"`
	Description string    `json:"description"`
	Selection   selection `json:"selection"`
	Action      struct {
		Type string `json:"type"`
	} `json:"action"`
}

type selection struct {
	TagStatus string   `json:"tagStatus"`
	Patterns  []string `json:"tagPatternList"`
	Prefixes  []string `json:"tagPrefixList"`
	CountType string   `json:"countType"`
	CountUnit string   `json:"countUnit"`
	Count     int      `json:"countNumber"`
}

// parsePolicy reads and checks a document. Rules come ordered by priority.
func parsePolicy(text string) (lifecyclePolicy, error) {
	var p lifecyclePolicy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("the policy is not JSON of the form that is expected: %w", err)
	}
	if len(p.Rules) == 0 {
		return p, errors.New("object has missing required properties (['rules'])")
	}
	slices.SortStableFunc(p.Rules, func(a, b lifecycleRule) int { return a.Priority - b.Priority })
	for i, r := range p.Rules {
		if err := r.check(); err != nil {
			return p, fmt.Errorf("rule %d: %w", r.Priority, err)
		}
		if i > 0 && p.Rules[i-1].Priority == r.Priority {
			return p, fmt.Errorf("rulePriority %d is used more than once", r.Priority)
		}
		if r.Selection.TagStatus == "any" && i < len(p.Rules)-1 {
			return p, errors.New("a rule with tagStatus any must have the highest rulePriority")
		}
	}
	return p, nil
}

func (r lifecycleRule) check() error {
	s := r.Selection
	lists := len(s.Patterns) + len(s.Prefixes)
	switch {
	case r.Priority < 1:
		return errors.New("rulePriority must be at least 1")
	case r.Action.Type != "expire":
		return fmt.Errorf("action type %q is not supported by this installation: expire is", r.Action.Type)
	case s.TagStatus != "tagged" && s.TagStatus != "untagged" && s.TagStatus != "any":
		return fmt.Errorf("tagStatus %q is none of tagged, untagged, any", s.TagStatus)
	case s.TagStatus == "tagged" && (lists == 0 || len(s.Patterns) > 0 && len(s.Prefixes) > 0):
		return errors.New("tagged needs either tagPatternList or tagPrefixList")
	case s.TagStatus != "tagged" && lists > 0:
		return errors.New("only tagged takes tagPatternList and tagPrefixList")
	case s.Count < 1:
		return errors.New("countNumber must be at least 1")
	case s.CountType == "imageCountMoreThan" && s.CountUnit != "":
		return errors.New("countUnit is only allowed with sinceImagePushed")
	case s.CountType == "sinceImagePushed" && s.CountUnit != "days":
		return errors.New("sinceImagePushed needs the countUnit days")
	case s.CountType != "imageCountMoreThan" && s.CountType != "sinceImagePushed":
		return fmt.Errorf("countType %q is not supported by this installation: imageCountMoreThan and sinceImagePushed are", s.CountType)
	}
	for _, p := range s.Patterns {
		if strings.Count(p, "*") > 4 {
			return fmt.Errorf("pattern %q has more than four wildcards", p)
		}
	}
	return nil
}

// selects tells whether an image is in a rule's choice: every pattern must meet a tag.
func (s selection) selects(i registry.Image) bool {
	switch s.TagStatus {
	case "any":
		return true
	case "untagged":
		return len(i.Tags) == 0
	}
	for _, p := range s.Patterns {
		if !slices.ContainsFunc(i.Tags, func(t string) bool { return registry.Wildcard(p, t) }) {
			return false
		}
	}
	for _, p := range s.Prefixes {
		if !slices.ContainsFunc(i.Tags, func(t string) bool { return strings.HasPrefix(t, p) }) {
			return false
		}
	}
	return true
}

// expired are the images that go, and those of no list first. A rule cannot touch
// what a rule before it chose, even where that one keeps it, but it counts it.
func (p lifecyclePolicy) expired(images []registry.Image, now time.Time) (out []registry.Image) {
	images = slices.Clone(images)
	slices.SortStableFunc(images, func(a, b registry.Image) int { return b.Pushed.Compare(a.Pushed) })
	needed := map[blob.Digest]bool{}
	for _, i := range images {
		for _, c := range i.Children {
			needed[c] = true
		}
	}
	chosen := map[blob.Digest]bool{}
	for _, r := range p.Rules {
		var mine []registry.Image
		for _, i := range images {
			if r.Selection.selects(i) {
				mine = append(mine, i)
			}
		}
		for n, i := range mine {
			over := n >= r.Selection.Count
			if r.Selection.CountType == "sinceImagePushed" {
				over = now.Sub(i.Pushed) > time.Duration(r.Selection.Count)*24*time.Hour
			}
			if over && !chosen[i.Digest] && !needed[i.Digest] {
				out = append(out, i)
			}
		}
		for _, i := range mine {
			chosen[i.Digest] = true
		}
	}
	return out
}
