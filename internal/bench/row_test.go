package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// rows are one of each kind.
func rows() []Row {
	return []Row{
		row("first-line", samples{203.4, 180, 251}, samples{93, 97, 101}),              // of the median, missed
		row("internal-call", samples{64.25, 70, 99}, samples{5.5}),                     // met
		row("burst", samples{20, 90, 249.96}, samples{10, 20, 62.5}),                   // of the tail, met
		row("secret", samples{2840, 3011}, samples{9000}),                              // a rate without a goal
		row("change", samples{1999, 1999, 21000}, samples{30000}),                      // a rate, missed
		row("ready", samples{150, 150}, samples{20}),                                   // just met
		row("memory", samples{130.25}, samples{111.0}),                                 // one sample
		row("next-build", samples{0.004, 0.0001, 12}, samples{0.001, 0.0007, 0.00321}), // tiny
	}
}

func TestRowsAreJudgedByWhatIsPromised(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"first-line": "no", "internal-call": "yes", "burst": "yes", "secret": "-", "change": "no", "ready": "yes", "memory": "no", "next-build": "-",
	}
	for _, r := range rows() {
		if got := r.verdict(); got != want[r.Name] {
			t.Errorf("%s: %v of %v against %v: met: %s, want %s", r.Name, r.Of, r.Median, r.aim(), got, want[r.Name])
		}
	}
}

func TestOutputsAreAsTheyWere(t *testing.T) {
	t.Parallel()
	var table, document bytes.Buffer
	if err := Table(&table, rows()); err != nil {
		t.Fatal(err)
	}
	e := json.NewEncoder(&document)
	e.SetIndent("", "  ")
	if err := e.Encode(rows()); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"rows.txt": table.Bytes(), "rows.json": document.Bytes()} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got; -update writes it):\n%s", file, diff)
		}
	}
}

func TestEveryPromiseIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	var taken []string
	for _, m := range (&Bench{}).measures() {
		taken = append(taken, m.rows...)
	}
	slices.Sort(taken)
	promised := slices.Sorted(slices.Values(Names()))
	if diff := cmp.Diff(promised, taken); diff != "" {
		t.Errorf("rows promised and rows measured (-promised +measured):\n%s", diff)
	}
}

func TestUnknownRowsAreRefusedByName(t *testing.T) {
	t.Parallel()
	if err := Check([]string{"ready", "burst"}); err != nil {
		t.Errorf("rows that there are: %v", err)
	}
	if err := Check([]string{"ready", "beauty"}); err == nil {
		t.Error("beauty was taken for a row")
	}
}
