package runner

import (
	"bytes"
	"strings"
	"testing"
)

func redacted(text string, cut int, secrets ...string) string {
	var out bytes.Buffer
	r := newRedactor(&out)
	for _, s := range secrets {
		r.add(s)
	}
	for len(text) > cut {
		r.Write([]byte(text[:cut]))
		text = text[cut:]
	}
	r.Write([]byte(text))
	r.Flush()
	return out.String()
}

func TestSecretsAreFoundHoweverTheTextIsCut(t *testing.T) {
	t.Parallel()
	const text = "a hunter2 and hunter22, pass\nword, hunt, AKIAIOSFODNN7EXAMPLE, AKIA, ASIAx"
	const want = "a *** and ***, ***, hunt, ***, AKIA, ASIAx"
	for cut := 1; cut <= len(text); cut++ {
		if got := redacted(text, cut, "hunter2", "hunter22", "pass\nword", "x"); got != want {
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
}

func FuzzRedactionDoesNotDependOnChunks(f *testing.F) {
	f.Add("say hunter2 twice: hunter2hunter2", "hunter2", 3)
	f.Add("aaaaab", "aaab", 1)
	f.Fuzz(func(t *testing.T, text, secret string, cut int) {
		if cut < 1 || len(secret) < shortestSecret || strings.Contains(mask, secret) || strings.Contains(secret, mask[:1]) {
			return
		}
		whole, cutUp := redacted(text, len(text)+1, secret), redacted(text, cut, secret)
		if whole != cutUp {
			t.Errorf("whole %q, cut up %q", whole, cutUp)
		}
		if strings.Contains(whole, secret) {
			t.Errorf("%q is in %q", secret, whole)
		}
	})
}
