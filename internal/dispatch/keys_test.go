package dispatch_test

import (
	"context"
	"testing"

	"github.com/penstock-ci/penstock/internal/arn"
	"github.com/penstock-ci/penstock/internal/dispatch/dispatchtest"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
	"github.com/penstock-ci/penstock/internal/store/storetest"
)

type shelfInput struct {
	Name, Prefix *string
	Tags         map[string]string
	TagKeys      []string
}

var touch = op.Op[shelfInput, noteOutput]{Service: "library", Name: "Touch"}

// library is a service whose shelves have tags, and which counts what is read of them.
type library struct {
	tags         map[string]map[string]string
	read, looked int
}

func (l *library) Handlers() []op.Handler {
	arns := func(c op.Caller, in *shelfInput) []string {
		return []string{arn.New("library", c.Region, c.Account, "shelf/"+op.Val(in.Name))}
	}
	nothing := func(context.Context, store.Reader, op.Caller, *shelfInput) (*noteOutput, error) {
		return &noteOutput{}, nil
	}
	return []op.Handler{op.Read(touch, arns, nothing).
		With(op.KeyMember("library:Prefix", func(in *shelfInput) *string { return in.Prefix })).
		LooksUp(op.LookupOf(func(_ context.Context, _ store.Reader, _ op.Caller, in *shelfInput) (map[string][]string, error) {
			l.looked++
			return map[string][]string{"library:Room": {"room of " + *in.Name}}, nil
		}, "library:Room"))}
}

func (l *library) Described() []op.Described {
	return []op.Described{op.Tagged(func(_ context.Context, _ store.Reader, a arn.ARN) (map[string]string, error) {
		l.read++
		tags, ok := l.tags[a.Name()]
		if !ok {
			return nil, store.ErrNotFound
		}
		return tags, nil
	}, "library:ResourceTag/")}
}

func shelves(t *testing.T) (*dispatchtest.Enforced, *library) {
	t.Helper()
	l := &library{tags: map[string]map[string]string{"blue": {"team": "a", "Stage": "prod"}, "bare": {}}}
	return dispatchtest.Enforce(t, storetest.Open(t), l), l
}

func TestConditionKeysDecide(t *testing.T) {
	t.Parallel()
	e, _ := shelves(t)
	for key, tc := range map[string]struct {
		value string
		in    shelfInput
	}{
		"library:Prefix":            {"x/", shelfInput{Prefix: new("x/")}},
		"library:Room":              {"room of blue", shelfInput{}},
		"aws:ResourceTag/team":      {"a", shelfInput{}},
		"AWS:resourcetag/TEAM":      {"a", shelfInput{}}, // keys have no case
		"library:ResourceTag/Stage": {"prod", shelfInput{}},
		"aws:RequestTag/team":       {"b", shelfInput{Tags: map[string]string{"team": "b"}}},
		"aws:TagKeys":               {"old", shelfInput{TagKeys: []string{"old"}}},
	} {
		tc.in.Name = new("blue")
		e.Decides(t, key, tc.value, func(c op.Caller) error {
			_, err := op.Call(t.Context(), e, c, touch, &tc.in)
			return err
		})
	}
}

func TestWhatIsNotGivenIsNoKey(t *testing.T) {
	t.Parallel()
	e, _ := shelves(t)
	for _, key := range []string{"library:Prefix", "aws:ResourceTag/team", "aws:RequestTag/team", "aws:TagKeys"} {
		bare := e.May(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"`+key+`":"true"}}}`)
		for _, shelf := range []string{"bare", "none"} { // without tags, and not there at all
			if _, err := op.Call(t.Context(), e, bare, touch, &shelfInput{Name: &shelf}); err != nil {
				t.Errorf("%s of %s: got %v, want no such key", key, shelf, err)
			}
		}
	}
	given := e.May(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"library:Prefix":""}}}`)
	if _, err := op.Call(t.Context(), e, given, touch, &shelfInput{Name: new("bare"), Prefix: new("")}); err != nil {
		t.Errorf("an empty prefix: got %v, want it to be the key's value", err)
	}
}

func TestTagsOfTheResourceAreVariables(t *testing.T) {
	t.Parallel()
	e, l := shelves(t)
	l.tags["blue"]["colour"], l.tags["red"] = "blue", map[string]string{"colour": "blue"}
	named := e.May(t, `{"Effect":"Allow","Action":"*","Resource":"arn:aws:library:*:*:shelf/${aws:ResourceTag/colour}"}`)
	same := e.May(t, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"${library:ResourceTag/team, 'none'}"}}}`)
	for name, tc := range map[string]struct {
		as     op.Caller
		shelf  string
		team   string
		denied bool
	}{
		"the resource that its tag names":       {named, "blue", "", false},
		"a resource that its tag does not name": {named, "red", "", true},
		"a resource without the tag":            {named, "bare", "", true},
		"a tag of the request that is the same": {same, "blue", "a", false},
		"one that is another":                   {same, "blue", "b", true},
		"the default where there is no tag":     {same, "bare", "none", false},
	} {
		_, err := op.Call(t.Context(), e, tc.as, touch, &shelfInput{Name: &tc.shelf, Tags: map[string]string{"team": tc.team}})
		if dispatchtest.IsDenied(err) != tc.denied {
			t.Errorf("%s: got %v, want denied to be %t", name, err, tc.denied)
		}
	}
}

func TestNothingIsReadThatNoPolicyAsksFor(t *testing.T) {
	t.Parallel()
	e, l := shelves(t)
	for name, tc := range map[string]struct {
		statement    string
		read, looked int
	}{
		"no condition":                    {dispatchtest.All, 0, 0},
		"another key":                     {`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":["true","false"]},"StringLike":{"aws:PrincipalTag/team":"*"}}},` + dispatchtest.All, 0, 0},
		"a tag, for another action":       {`{"Effect":"Deny","Action":"museum:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"x"}}},` + dispatchtest.All, 0, 0},
		"a tag, for all but this action":  {`{"Effect":"Deny","NotAction":"library:Touch","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"x"}}},` + dispatchtest.All, 0, 0},
		"another service's name of a tag": {`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"museum:ResourceTag/team":"x"}}},` + dispatchtest.All, 0, 0},
		"a tag":                           {`{"Effect":"Deny","Action":"library:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"x"}}},` + dispatchtest.All, 1, 0},
		"a tag as a variable":             {`{"Effect":"Deny","Action":"*","Resource":"arn:aws:library:*:*:shelf/${aws:ResourceTag/team}"},` + dispatchtest.All, 1, 0},
		"what takes a look":               {`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"library:room":"x"}}},` + dispatchtest.All, 0, 1},
	} {
		l.read, l.looked = 0, 0
		_, err := op.Call(t.Context(), e, e.May(t, tc.statement), touch, &shelfInput{Name: new("blue")})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if l.read != tc.read || l.looked != tc.looked {
			t.Errorf("%s: %d reads of tags and %d look-ups, want %d and %d", name, l.read, l.looked, tc.read, tc.looked)
		}
	}
}
