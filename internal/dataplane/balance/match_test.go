package balance

import (
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/dataplane"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "http://www.example.com:8080/api/v1/users?version=v1&x=abc", nil)
	r.Header.Set("X-Team", "Red")
	for title, tc := range map[string]struct {
		c    dataplane.Condition
		want bool
	}{
		"a path with a star":             {dataplane.Condition{Field: "path-pattern", Values: []string{"/api/*"}}, true},
		"a path is case sensitive":       {dataplane.Condition{Field: "path-pattern", Values: []string{"/API/*"}}, false},
		"a question mark is one":         {dataplane.Condition{Field: "path-pattern", Values: []string{"/api/v?/users"}}, true},
		"the path must match to its end": {dataplane.Condition{Field: "path-pattern", Values: []string{"/api"}}, false},
		"one of several values":          {dataplane.Condition{Field: "path-pattern", Values: []string{"/x", "*users"}}, true},
		"a host without its port":        {dataplane.Condition{Field: "host-header", Values: []string{"*.EXAMPLE.com"}}, true},
		"another host":                   {dataplane.Condition{Field: "host-header", Values: []string{"*.example.org"}}, false},
		"a method":                       {dataplane.Condition{Field: "http-request-method", Values: []string{"POST"}}, true},
		"a header, whatever its case":    {dataplane.Condition{Field: "http-header", Header: "x-team", Values: []string{"re*"}}, true},
		"a query parameter":              {dataplane.Condition{Field: "query-string", Query: []dataplane.Pair{{Key: "version", Value: "v1"}}}, true},
		"a value of any parameter":       {dataplane.Condition{Field: "query-string", Query: []dataplane.Pair{{Value: "*b*"}}}, true},
		"a parameter that is not there":  {dataplane.Condition{Field: "query-string", Query: []dataplane.Pair{{Key: "y", Value: "*"}}}, false},
		"a source range":                 {dataplane.Condition{Field: "source-ip", Values: []string{"10.0.0.0/8"}}, true},
		"another range":                  {dataplane.Condition{Field: "source-ip", Values: []string{"192.168.0.0/16"}}, false},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if got := condition(tc.c, request{r, netip.MustParseAddr("10.1.2.3")}); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestARedirectKeepsWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "http://a.example.com/x/y?q=1", nil)
	got := location(dataplane.Redirect{Protocol: "HTTPS", Port: "443", Host: "#{host}", Path: "/new/#{path}", Query: "#{query}"}, r, "HTTP", 80)
	if want := "https://a.example.com:443/new/x/y?q=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHealthFollowsTheThresholds(t *testing.T) {
	t.Parallel()
	c := dataplane.Check{Healthy: 3, Unhealthy: 2}
	h := unknown
	for i, step := range []struct {
		o    outcome
		want string
	}{
		{failed, dataplane.Initial}, {passed, dataplane.Healthy}, {failed, dataplane.Healthy}, {passed, dataplane.Healthy},
		{failed, dataplane.Healthy}, {mismatch(404), dataplane.Unhealthy}, {passed, dataplane.Unhealthy}, {passed, dataplane.Unhealthy}, {passed, dataplane.Healthy},
	} {
		if h = judge(h, step.o, c); h.State != step.want {
			t.Fatalf("step %d: %+v, want %s", i, h, step.want)
		}
	}
	if h = judge(judge(h, failed, c), mismatch(404), c); h.Description != "Health checks failed with these codes: [404]" {
		t.Errorf("%+v", h)
	}
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	for codes, want := range map[string]bool{"": false, "200": false, "200,301": true, "300-399": true, "x,-,1-": false} {
		if got := matches(codes, 301); got != want {
			t.Errorf("%q: %v", codes, got)
		}
	}
}

func TestTheNewestWaveServesWhenItIsAsManyAsTheOld(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	made := func(port uint16, wave string, age int) *target {
		a := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port)
		return &target{addr: a, spec: dataplane.Target{Address: a, Wave: wave, Registered: at.Add(time.Duration(age))}, health: Health{State: dataplane.Healthy}}
	}
	old1, old2, new1, new2 := made(1, "a", 0), made(2, "a", 0), made(3, "b", 1), made(4, "b", 2)
	for title, tc := range map[string]struct{ have, want []*target }{
		"one of two new":               {[]*target{old1, old2, new1}, []*target{old1, old2}},
		"two of two":                   {[]*target{old1, old2, new1, new2}, []*target{new1, new2}},
		"one new, one old has left":    {[]*target{old1, new1}, []*target{new1}},
		"a third wave with one target": {[]*target{old1, old2, new1, new2, made(5, "c", 3)}, []*target{new1, new2}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			all := map[netip.AddrPort]*target{}
			for _, x := range tc.have {
				all[x.addr] = x
			}
			got := eligible(all)
			if len(got) != len(tc.want) {
				t.Fatalf("got %d targets, want %d", len(got), len(tc.want))
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("got %s, want %s", got[i].addr, tc.want[i].addr)
				}
			}
		})
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("/a*b?", "/axxbc")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		glob(pattern, s)
		if !glob("*"+pattern+"*", "x"+pattern+"y") {
			t.Errorf("*%q* does not match a text that holds it", pattern)
		}
	})
}
