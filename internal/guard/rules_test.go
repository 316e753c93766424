package guard

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if !f.isTest {
			documented[f.pkg] = documented[f.pkg] || f.isDocumented
		}
	}
	for pkg, is := range documented {
		if !is {
			t.Errorf("package %s has no comment: say what it is for, who calls it, what it never does", pkg)
		}
	}
}

// longest is the number of lines above which a file holds more than one noun.
const longest = 400

func TestNoFileIsTooLong(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if n := strings.Count(f.body, "\n"); n > longest && !f.isTest && !f.isGenerated() {
			t.Errorf("%s has %d lines, more than %d: give each noun its file", f.path, n, longest)
		}
	}
}

// sleeps are the calls of time.Sleep that stay, by file.
var sleeps = map[string]int{
	"internal/eventstream/eventstream_test.go":   1, // virtual time
	"internal/dataplane/balance/rollout_test.go": 2, // an answer that is streamed slowly, and time for it to begin
	"internal/dataplane/client/client_test.go":   1, // an answer that is streamed slowly
}

func TestNobodySleeps(t *testing.T) {
	t.Parallel()
	call := "time." + "Sleep("
	for _, f := range sources(t) {
		if n := strings.Count(f.body, call); n > sleeps[f.path] {
			t.Errorf("%s sleeps %d times: wait for the event", f.path, n)
		}
	}
}

// wallClocks are the files beside package clock that look at the machine's time.
var wallClocks = map[string]string{
	"internal/compute/computetest/computetest.go": "the limit of a test's patience",
	"internal/network/networktest/host.go":        "deadlines of a test's sockets",
	"internal/demo/load.go":                       "the pace of the load",
	"internal/dataplane/balance/proxy.go":         "the idle limit of one connection",
	"internal/dataplane/process/process.go":       "the pause before another try to open sockets",
	"internal/wire/sniff.go":                      "the deadline of a socket's first byte",
}

func TestTimeIsPassedIn(t *testing.T) {
	t.Parallel()
	looks := regexp.MustCompile(`\btime\.(Now|Since|Until|After|AfterFunc|Tick|NewTimer|NewTicker)\(`)
	for _, f := range sources(t) {
		if f.isTest || f.pkg == "internal/clock" || strings.HasPrefix(f.pkg, "test/") || wallClocks[f.path] != "" {
			continue
		}
		if found := looks.FindString(f.body); found != "" {
			t.Errorf("%s calls %s…): time comes by clock.Clock", f.path, found)
		}
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	t.Parallel()
	words := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)
	for _, f := range sources(t) {
		if found := words.FindString(f.body); found != "" && !f.isGenerated() {
			t.Errorf("%s has a %s: do it, or refuse it and say so in docs/parity.md", f.path, found)
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if strings.Contains(f.body, "\nfunc init()") {
			t.Errorf("%s has an init function: wiring is visible in cmd/penstock", f.path)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

func TestPagesLinkToWhatIsThere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(append(pages, decisions...), filepath.Join(root, "README.md")) {
		body, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(body), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), found[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, found[1])
			}
		}
	}
}

func TestEveryDirectDependencyHasAReason(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(module)) {
		fields := strings.Fields(text)
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") {
			continue // indirect ones have a remark
		}
		name := fields[0]
		if sdk := "github.com/aws/aws-sdk-go-v2"; strings.HasPrefix(name, sdk) {
			name = sdk
		}
		if !strings.Contains(string(page), name) {
			t.Errorf("docs/dependencies.md has no reason for %s", name)
		}
	}
}

func TestTheLicenceIsThere(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil || !strings.Contains(string(body), "Apache License") {
		t.Errorf("LICENSE: %v", err)
	}
}
