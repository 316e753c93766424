package events

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/engine"
)

// friday is a Friday.
var friday = time.Date(2026, 11, 27, 13, 30, 20, 0, time.UTC)

func TestOccurrencesOfSchedules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"rate(1 minute)":                  "2026-11-27T13:31:20Z",
		"rate(12 hours)":                  "2026-11-28T01:30:20Z",
		"rate(7 days)":                    "2026-12-04T13:30:20Z",
		"cron(0 10 * * ? *)":              "2026-11-28T10:00:00Z",
		"cron(15 12 ? * MON-FRI *)":       "2026-11-30T12:15:00Z",
		"cron(15 12 ? * 2-6 *)":           "2026-11-30T12:15:00Z",
		"cron(0 9 ? * 2#1 *)":             "2026-12-07T09:00:00Z",
		"cron(0 9 ? * 6L *)":              "2026-12-25T09:00:00Z",
		"cron(0 8 L * ? *)":               "2026-11-30T08:00:00Z",
		"cron(0 8 3W * ? *)":              "2026-12-03T08:00:00Z",
		"cron(0/10 * ? * SAT,1 2026)":     "2026-11-28T00:00:00Z",
		"cron(5,35 14 1 JAN ? 2027)":      "2027-01-01T14:05:00Z",
		"cron(0 10 * * ? 2020)":           "0001-01-01T00:00:00Z",
		"cron(0 10 * * * *)":              "",
		"cron(0 10 ? * ? *)":              "",
		"cron(0 10 * * ?)":                "",
		"cron(0 0 10 * * ? *)":            "",
		"cron(0 10 ? * 0 *)":              "",
		"cron(0 10 ? * 8 *)":              "",
		"cron(61 10 * * ? *)":             "",
		"rate(1 minutes)":                 "",
		"rate(2 minute)":                  "",
		"rate(0 days)":                    "",
		"rate(99999999999999999999 days)": "",
		"at(2026-01-01T00:00:00)":         "",
		"":                                "",
	} {
		following, err := parseSchedule(text)
		got := ""
		if err == nil {
			got = following(friday).Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%s occurs at %q (%v), not %q", text, got, err, want)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add("cron(0/10 8-17 ? * 2#1,6L 2026-2030)")
	f.Add("rate(5 minutes)")
	f.Fuzz(func(t *testing.T, text string) {
		following, err := parseSchedule(text)
		if err != nil {
			return
		}
		if due := following(friday); !due.IsZero() && !due.After(friday) {
			t.Errorf("%q occurs at %s, which is past", text, due)
		}
	})
}

// TestTimerFollowsTheRule: each occurrence is told once, missed ones are passed over,
// and a rule without a schedule, or disabled, has no timer.
func TestTimerFollowsTheRule(t *testing.T) {
	t.Parallel()
	r := Rule{ARN: "arn:aws:events:us-east-1:100000000001:rule/nightly", Schedule: "rate(10 minutes)", State: api.RuleStateEnabled}
	turn := func(e engine.Event) string {
		got, err := tick(r, e)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, f := range got.Publish {
			out += "tells " + f.Resources[0][len(f.Resources[0])-7:] + " of " + f.At.Format("15:04:05") + ", "
		}
		for _, x := range got.Effects {
			if x.Due.IsZero() {
				return out + "no timer"
			}
			out += "due " + x.Due.Format("15:04:05")
		}
		return out
	}
	late, err := json.Marshal(occurrence{friday})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		say  string
		e    engine.Event
		want string
	}{
		{"a new rule", engine.Event{Name: "changed", At: friday}, "due 13:40:20"},
		{"an occurrence", engine.Event{Name: "due", At: friday.Add(time.Second), Body: late}, "tells nightly of 13:30:20, due 13:40:20"},
		{"an occurrence an hour late", engine.Event{Name: "due", At: friday.Add(time.Hour), Body: late}, "tells nightly of 13:30:20, due 14:30:20"},
	} {
		if got := turn(step.e); got != step.want {
			t.Errorf("%s: %s; want %s", step.say, got, step.want)
		}
	}
	r.State = api.RuleStateDisabled
	if got := fmt.Sprint(turn(engine.Event{Name: "changed", At: friday})); got != "no timer" {
		t.Errorf("disabled: %s", got)
	}
}
