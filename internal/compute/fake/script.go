package fake

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/compute"
)

// Variable is the variable of a container's environment that holds its script:
//
//	PENSTOCK_FAKE="print=hello sleep=2s exit=3"
//
// Words: print=LINE (spaces as _), sleep=DURATION or sleep=forever, exit=CODE,
// oom, unhealthy, lost (the pod is lost when the sleep ends), nostart (the
// container can not be started). Without it a container runs until it is stopped.
const Variable = "PENSTOCK_FAKE"

// Script is how a container behaves.
type Script struct {
	Print     []string
	Sleep     time.Duration // < 0 = until it is stopped
	Exit      int
	OOM       bool
	Unhealthy bool
	Lost      bool
	NoStart   bool
}

// ScriptOf reads a container's script.
func ScriptOf(c compute.Container) (Script, error) {
	for _, e := range c.Env {
		if text, ok := strings.CutPrefix(e, Variable+"="); ok {
			return Parse(text)
		}
	}
	return Script{Sleep: -1}, nil
}

// Parse reads a script's words.
func Parse(text string) (Script, error) {
	var s Script
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "print":
			s.Print = append(s.Print, strings.ReplaceAll(value, "_", " "))
		case "sleep":
			if s.Sleep = -1; value != "forever" {
				s.Sleep, err = time.ParseDuration(value)
			}
		case "exit":
			s.Exit, err = strconv.Atoi(value)
		case "oom":
			s.OOM, s.Exit = true, 137
		case "unhealthy":
			s.Unhealthy = true
		case "lost":
			s.Lost = true
		case "nostart":
			s.NoStart = true
		default:
			err = fmt.Errorf("print=, sleep=, exit=, oom, unhealthy, lost or nostart is expected")
		}
		if err != nil {
			return s, fmt.Errorf("fake: %s: word %q: %w", Variable, word, err)
		}
	}
	return s, nil
}
