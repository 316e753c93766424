package ecr

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/blob"
	"github.com/penstock-ci/penstock/internal/registry"
)

// TestRulesExpireAsAWSDescribes is the example of the ECR user guide: what a rule
// chose, a later one leaves alone, and counts.
func TestRulesExpireAsAWSDescribes(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	image := func(name string, days int, tags ...string) registry.Image {
		return registry.Image{Digest: blob.Digest(name), Tags: tags, Pushed: now.AddDate(0, 0, -days)}
	}
	images := []registry.Image{image("A", 10, "beta-1", "prod-1"), image("B", 9, "beta-2", "prod-2"), image("C", 8, "beta-3")}
	rule := func(priority int, selection string) string {
		return fmt.Sprintf(`{"rulePriority":%d,"selection":{%s},"action":{"type":"expire"}}`, priority, selection)
	}
	prod, beta := `"tagStatus":"tagged","tagPrefixList":["prod"],"countType":"imageCountMoreThan","countNumber":1`, `"tagStatus":"tagged","tagPatternList":["beta-*"],"countType":"imageCountMoreThan","countNumber":1`
	for want, rules := range map[string][]string{
		"A":   {rule(1, prod), rule(2, beta)},
		"B A": {rule(2, prod), rule(1, beta)},
		"":    {rule(1, `"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1`)},
		" A":  {rule(1, `"tagStatus":"any","countType":"sinceImagePushed","countUnit":"days","countNumber":9`)},
	} {
		p, err := parsePolicy(`{"rules":[` + strings.Join(rules, ",") + `]}`)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range p.expired(images, now) {
			got = append(got, string(i.Digest))
		}
		if strings.Join(got, " ") != strings.TrimSpace(want) {
			t.Errorf("%v expire %v, want %s", rules, got, want)
		}
	}
}

func TestListsImagesAreNotExpired(t *testing.T) {
	t.Parallel()
	p, err := parsePolicy(`{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":1},"action":{"type":"expire"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	list := registry.Image{Digest: "list", Tags: []string{"1"}, Children: []blob.Digest{"child"}}
	if got := p.expired([]registry.Image{list, {Digest: "child"}}, time.Unix(1_700_000_000, 0)); len(got) != 0 {
		t.Errorf("expired %v", got)
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePolicy(text); err == nil {
			p.expired([]registry.Image{{Digest: "a"}, {Digest: "b", Tags: []string{"x"}}}, time.Unix(1_700_000_000, 0))
		}
	})
}
