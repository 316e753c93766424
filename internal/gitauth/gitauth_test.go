package gitauth

import (
	"strings"
	"testing"
	"time"
)

func TestPasswordIsTakenOnlyAsItWasMade(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	const host, path = "git-codecommit.us-east-1.amazonaws.com", "/v1/repos/app"
	password := Password("secret", "us-east-1", host, path, at)
	for name, tc := range map[string]struct {
		password, secret, path string
		now                    time.Time
		want                   string
	}{
		"as made":            {password, "secret", path, at.Add(time.Minute), ""},
		"another secret":     {password, "other", path, at, "does not match"},
		"another repository": {password, "secret", "/v1/repos/b", at, "does not match"},
		"too late":           {password, "secret", path, at.Add(Life + time.Second), "expired"},
		"no signature":       {"hunter2", "secret", path, at, "not a signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Check(tc.password, tc.secret, "us-east-1", host, tc.path, tc.now)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("Check = %v, want %q", err, tc.want)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("20261126T120000Z00")
	f.Add("")
	f.Fuzz(func(t *testing.T, password string) {
		if Check(password, "secret", "us-east-1", "h", "/p", time.Unix(0, 0)) == nil {
			t.Errorf("%q was taken", password)
		}
	})
}
