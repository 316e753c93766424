package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/cronexpr"

	api "github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/internal/engine"
	"github.com/penstock-ci/penstock/internal/eventstream"
)

const (
	ruleKind = "events.rule"
	// What a schedule tells its rule.
	scheduleSource, scheduleType = "aws.events", "Scheduled Event"
)

var errSchedule = errors.New("Parameter ScheduleExpression is not valid.") //nolint:staticcheck // AWS's sentence

// next is the first occurrence of a schedule after the instant.
type next func(after time.Time) time.Time

var (
	rate    = regexp.MustCompile(`^rate\((\d+) (minute|minutes|hour|hours|day|days)\)$`)
	cron    = regexp.MustCompile(`^cron\((.+)\)$`)
	weekday = regexp.MustCompile(`[#/]?\d+`)
)

// parseSchedule reads rate(n unit) or cron(minutes hours day-of-month month
// day-of-week year), in UTC (EventBridge User Guide, "Schedule expressions").
func parseSchedule(text string) (next, error) {
	if m := rate.FindStringSubmatch(text); m != nil {
		return parseRate(m[1], m[2])
	}
	m := cron.FindStringSubmatch(text)
	if m == nil {
		return nil, errSchedule
	}
	field := strings.Fields(m[1])
	if len(field) != 6 || (field[2] == "?") == (field[4] == "?") {
		return nil, errSchedule // one of the two days is given, the other is a question mark
	}
	field[4] = fromZero(field[4])
	c, err := cronexpr.Parse(strings.Join(field, " "))
	if err != nil {
		return nil, errSchedule
	}
	return func(after time.Time) time.Time { return c.Next(after.UTC()) }, nil
}

// parseRate: one takes the singular, more take the plural, as on AWS.
func parseRate(count, unit string) (next, error) {
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 366*24*60 || (n == 1) == strings.HasSuffix(unit, "s") {
		return nil, errSchedule
	}
	each := time.Duration(n) * map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[unit[0]]
	return func(after time.Time) time.Time { return after.Add(each) }, nil
}

// fromZero turns AWS's days of the week, 1 to 7 from Sunday, into cron's, 0 to 6.
// What stands behind # and / counts weeks and steps.
func fromZero(days string) string {
	return weekday.ReplaceAllStringFunc(days, func(n string) string {
		d, err := strconv.Atoi(n)
		if err != nil { // of a week or a step
			return n
		}
		if d < 1 || d > 7 {
			return "x" // no day of AWS's: the parser refuses it
		}
		return strconv.Itoa(d - 1)
	})
}

// occurrence is the body of a rule's timer.
type occurrence struct{ Due time.Time }

// tick keeps the timer of a rule with a schedule. Each occurrence is a fact that
// names the rule; those missed while no server ran are not made up for.
func tick(r Rule, e engine.Event) (engine.Turn[Rule], error) {
	t := engine.Turn[Rule]{Next: r}
	if r.Schedule == "" || r.State != api.RuleStateEnabled {
		t.Effects = []engine.Effect{{Name: "due"}} // takes the timer back
		return t, nil
	}
	following, err := parseSchedule(r.Schedule)
	if err != nil {
		return t, fmt.Errorf("schedule %q: %w", r.Schedule, err)
	}
	last := e.At
	if e.Name == "due" {
		var o occurrence
		if err := json.Unmarshal(e.Body, &o); err != nil {
			return t, err
		}
		last = o.Due
		t.Publish = []eventstream.Fact{{Source: scheduleSource, DetailType: scheduleType, Resources: []string{r.ARN}, Detail: json.RawMessage("{}"), At: o.Due}}
	}
	due := following(last)
	for !due.IsZero() && due.Before(e.At) {
		due = following(due)
	}
	if due.IsZero() { // a year that is past
		return t, nil
	}
	body, err := json.Marshal(occurrence{due})
	if err != nil {
		return t, err
	}
	t.Effects = []engine.Effect{{Name: "due", Due: due, Body: body}}
	return t, nil
}

// isOccurrence tells whether the fact is a schedule's, which is for the rule it names alone.
func isOccurrence(f eventstream.Fact) bool {
	return f.Source == scheduleSource && f.DetailType == scheduleType
}
