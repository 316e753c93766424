package sim

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"
)

// fate decides what befalls a run: where the server dies, how long everything takes,
// what fails. It answers by the seed and by what it is asked about, never by who asks
// first, so that a seed can be run again.
type fate struct {
	seed      uint64
	only      int  // the one point at which the server dies; 0 = odds decide
	odds      int  // the server dies at one point in so many; 0 = never
	slow      bool // some things take seconds
	hasty     bool // builds take no time: one may end before anybody knows that it began
	throttled bool // calls are refused now and then: nobody may notice
	rough     bool // pods are lost, images do not come: users do notice

	mu      sync.Mutex
	isOn    bool
	lives   int
	asked   map[string]uint64
	points  []string
	crashes int
	faults  int
	trace   []string
}

// A run must come to its end: beyond these nobody dies and nothing fails any more.
const maxCrashes, maxFaults = 25, 3

// fateOf is what befalls a seed.
func fateOf(seed uint64) *fate {
	f := &fate{seed: seed}
	f.odds = 16 << f.pick("odds", 4)
	f.slow, f.hasty = f.pick("slow", 2) == 0, f.pick("hasty", 2) == 0
	f.throttled, f.rough = f.pick("throttled", 3) == 0, f.pick("rough", 6) == 0
	return f
}

// set lets things befall a run, or not: not while its end is verified.
func (f *fate) set(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isOn = on
}

// live begins the life of a server, whose fate does not depend on what the one before
// it asked while it died.
func (f *fate) live() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lives++
	f.asked = map[string]uint64{}
}

// strikes tells whether the server dies at a point.
func (f *fate) strikes(point string, at time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isOn {
		return false
	}
	f.points = append(f.points, point)
	dies := len(f.points) == f.only
	if f.odds > 0 {
		dies = f.draw("crash "+point)%uint64(f.odds) == 0 && f.crashes < maxCrashes
	}
	line := fmt.Sprintf("%4d %15s %s", len(f.points), at, point)
	if dies {
		f.crashes++
		line += "  <- the server dies"
	}
	f.trace = append(f.trace, line)
	return dies
}

// delay is how long something takes to begin. Two things hardly ever begin at the
// same instant: of what goes on side by side one is always first.
func (f *fate) delay(what string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.draw("delay " + what)
	most := 5 * time.Millisecond
	if f.isOn && f.slow {
		switch kind := n % 64; {
		case kind == 0:
			most = 3 * time.Second
		case kind < 8:
			most = 200 * time.Millisecond
		}
	}
	return time.Duration(n>>8) % most
}

// fails tells whether something fails that may.
func (f *fate) fails(may bool, what string, oneIn uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isOn || !may || f.faults == maxFaults || f.draw("fault "+what)%oneIn > 0 {
		return false
	}
	f.faults++
	f.tell(what + " fails")
	return true
}

// note adds to the trace.
func (f *fate) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isOn {
		f.tell(what)
	}
}

func (f *fate) tell(what string) { f.trace = append(f.trace, strings.Repeat(" ", 21)+what) }

// String is what happened so far: the points by number, virtual time and name, and
// between them facts and faults.
func (f *fate) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.trace, "\n")
}

// draw depends on the seed, on what it is for and on how often that was asked for in
// this life.
func (f *fate) draw(what string) uint64 {
	if f.asked == nil {
		f.asked = map[string]uint64{}
	}
	f.asked[what]++
	return number(f.seed, f.lives, what, f.asked[what])
}

// pick is a number below n, the same whenever it is asked for.
func (f *fate) pick(what string, n int) int {
	return int(number(f.seed, what) % uint64(n))
}

// number is a hash of its arguments.
func number(of ...any) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, of...)
	n := h.Sum64() // whose low digits are poor: mixed as splitmix64 does
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
