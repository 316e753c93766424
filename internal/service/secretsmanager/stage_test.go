package secretsmanager

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// show is "v1:AWSPREVIOUS v2:AWSCURRENT,AWSPENDING"; versions without labels are bare.
func show(s Secret) string {
	var out []string
	for _, v := range s.Versions {
		text := v.ID
		if len(v.Stages) > 0 {
			text += ":" + strings.Join(slices.Sorted(slices.Values(v.Stages)), ",")
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestStages(t *testing.T) {
	t.Parallel()
	put := func(id string, stages ...string) func(*Secret) error {
		return func(s *Secret) error {
			s.add(Version{ID: id}, stages, time.Time{})
			return nil
		}
	}
	move := func(stage, from, to string) func(*Secret) error {
		opt := func(s string) *string {
			if s == "" {
				return nil
			}
			return &s
		}
		return func(s *Secret) error { return moveStage(s, stage, opt(from), opt(to)) }
	}
	type steps []func(*Secret) error
	for name, tc := range map[string]struct {
		steps steps
		want  string
		fails string
	}{
		"the first value is current":                           {steps{put("v1")}, "v1:AWSCURRENT", ""},
		"the second makes the first previous":                  {steps{put("v1"), put("v2")}, "v1:AWSPREVIOUS v2:AWSCURRENT", ""},
		"the third leaves the first without a label":           {steps{put("v1"), put("v2"), put("v3")}, "v1 v2:AWSPREVIOUS v3:AWSCURRENT", ""},
		"a pending value leaves the current one":               {steps{put("v1"), put("v2", "AWSPENDING")}, "v1:AWSCURRENT v2:AWSPENDING", ""},
		"the first value is current whatever its stages":       {steps{put("v1", "mine")}, "v1:AWSCURRENT,mine", ""},
		"a label moves from one version to the next":           {steps{put("v1"), put("v2", "mine"), put("v3", "mine")}, "v1:AWSCURRENT v2 v3:mine", ""},
		"a custom label stays when a new value comes":          {steps{put("v1"), move("mine", "", "v1"), put("v2")}, "v1:AWSPREVIOUS,mine v2:AWSCURRENT", ""},
		"promotion keeps AWSPENDING on the new current":        {steps{put("v1"), put("v2", "AWSPENDING"), move("AWSCURRENT", "v1", "v2")}, "v1:AWSPREVIOUS v2:AWSCURRENT,AWSPENDING", ""},
		"AWSPENDING drops off the old current at the next put": {steps{put("v1"), put("v2", "AWSPENDING"), move("AWSCURRENT", "v1", "v2"), put("v3")}, "v1 v2:AWSPREVIOUS v3:AWSCURRENT", ""},
		"going back makes the newer one previous":              {steps{put("v1"), put("v2"), move("AWSCURRENT", "v2", "v1")}, "v1:AWSCURRENT v2:AWSPREVIOUS", ""},
		"putting with AWSCURRENT promotes":                     {steps{put("v1"), put("v2", "AWSCURRENT", "mine")}, "v1:AWSPREVIOUS v2:AWSCURRENT,mine", ""},
		"a move must name where the label is":                  {steps{put("v1"), put("v2", "AWSPENDING"), move("AWSCURRENT", "", "v2")}, "", "RemoveFromVersionId can't be empty"},
		"a move from where the label is not is refused":        {steps{put("v1"), put("v2"), move("AWSCURRENT", "v1", "v2")}, "", "is not attached to that version"},
		"AWSCURRENT cannot be taken away":                      {steps{put("v1"), move("AWSCURRENT", "v1", "")}, "", "It can't be completely removed."},
		"a custom label can":                                   {steps{put("v1"), put("v2", "mine"), move("mine", "v2", "")}, "v1:AWSCURRENT v2", ""},
		"a move to a version that is not there is refused":     {steps{put("v1"), move("AWSCURRENT", "v1", "v9")}, "", "for VersionId: v9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Secret
			var err error
			for _, step := range tc.steps {
				if err = step(&s); err != nil {
					break
				}
			}
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Fatalf("got %v, want …%s…", err, tc.fails)
				}
				return
			}
			if err != nil || show(s) != tc.want {
				t.Errorf("got  %s, %v\nwant %s", show(s), err, tc.want)
			}
		})
	}
}

func TestOldVersionsAreForgottenBeyondAHundred(t *testing.T) {
	t.Parallel()
	var s Secret
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 150 {
		at := now.Add(time.Duration(i) * time.Hour)
		s.add(Version{ID: fmt.Sprint(i), Created: at}, nil, at)
	}
	if n := len(s.Versions); n != 102 {
		t.Errorf("%d versions are kept, want 100 without a label and two with", n)
	}
	if got := slices.Sorted(maps.Keys(s.stages())); len(got) != 2 {
		t.Errorf("labels: %v", got)
	}
}
