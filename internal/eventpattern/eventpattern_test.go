package eventpattern

import "testing"

func TestMatching(t *testing.T) {
	t.Parallel()
	const event = `{"source":"aws.codecommit","detail":{"event":"referenceUpdated","n":5.0,"ip":"10.1.2.3","list":["a","b"],"null":null,"empty":"","deep":[{"x":"1"},{"x":"2"}]}}`
	for pattern, want := range map[string]bool{
		`{"source":["aws.codecommit"]}`: true,
		`{"source":["aws.s3","aws.codecommit"],"detail":{"event":["referenceUpdated"]}}`: true,
		`{"source":["aws.codecommit"],"detail":{"event":["referenceCreated"]}}`:          false,
		`{"detail":{"n":[5]}}`:                                                       true,
		`{"detail":{"n":["5"]}}`:                                                     false,
		`{"detail":{"n":[{"numeric":[">",4,"<=",5]}]}}`:                              true,
		`{"detail":{"n":[{"numeric":["<",5]}]}}`:                                     false,
		`{"detail":{"list":["b"]}}`:                                                  true,
		`{"detail":{"list":["c"]}}`:                                                  false,
		`{"detail":{"null":[null]}}`:                                                 true,
		`{"detail":{"empty":[""]}}`:                                                  true,
		`{"detail":{"absent":[{"exists":false}]}}`:                                   true,
		`{"detail":{"absent":[null]}}`:                                               false,
		`{"detail":{"event":[{"exists":true}]}}`:                                     true,
		`{"detail":{"event":[{"prefix":"ref"}]}}`:                                    true,
		`{"detail":{"event":[{"prefix":{"equals-ignore-case":"REF"}}]}}`:             true,
		`{"detail":{"event":[{"suffix":"Created"}]}}`:                                false,
		`{"detail":{"event":[{"anything-but":"referenceUpdated"}]}}`:                 false,
		`{"detail":{"event":[{"anything-but":["a","b"]}]}}`:                          true,
		`{"detail":{"event":[{"anything-but":{"prefix":"ref"}}]}}`:                   false,
		`{"detail":{"absent":[{"anything-but":"x"}]}}`:                               false,
		`{"detail":{"event":[{"wildcard":"ref*Up*ed"}]}}`:                            true,
		`{"detail":{"event":[{"wildcard":"*x"}]}}`:                                   false,
		`{"detail":{"event":[{"equals-ignore-case":"REFERENCEUPDATED"}]}}`:           true,
		`{"detail":{"ip":[{"cidr":"10.0.0.0/8"}]}}`:                                  true,
		`{"detail":{"ip":[{"cidr":"192.168.0.0/16"}]}}`:                              false,
		`{"detail":{"deep":{"x":["2"]}}}`:                                            true,
		`{"$or":[{"source":["x"]},{"detail":{"event":["referenceUpdated"]}}]}`:       true,
		`{"$or":[{"source":["x"]},{"source":["y"]}]}`:                                false,
		`{"source":["aws.codecommit"],"$or":[{"source":["x"]},{"region":["none"]}]}`: false,
	} {
		p, err := Parse(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got := p.Matches([]byte(event)); got != want {
			t.Errorf("%s matches: %v, want %v", pattern, got, want)
		}
	}
}

func TestWrongPatternsAreRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		``, `{}`, `[]`, `{"a":"b"}`, `{"a":[]}`, `{"a":{}}`, `{"a":[{"nonsense":1}]}`, `{"a":[{"prefix":1}]}`, `{"a":[{"numeric":["~",1]}]}`,
		`{"a":[{"wildcard":"a**b"}]}`, `{"a":[{"cidr":"x"}]}`, `{"a":[["b"]]}`, `{"$or":[{"a":["b"]}]}`, `{"a":["b"]} x`, `{"a":[{"exists":1}]}`,
	} {
		if _, err := Parse(pattern); err == nil {
			t.Errorf("%s was taken", pattern)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{"a":[{"anything-but":{"prefix":"x"}}]}`, `{"a":"b"}`)
	f.Add(`{"a":[{"numeric":["=",1e5]}]}`, `{"a":100000}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		if p, err := Parse(pattern); err == nil {
			p.Matches([]byte(event))
		}
	})
}
