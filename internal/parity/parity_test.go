package parity_test

import (
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/penstock-ci/penstock/internal/parity"
)

var update = flag.Bool("update", false, "write docs/parity.md anew")

const page = "../../docs/parity.md"

func TestParityPageIsCurrent(t *testing.T) {
	t.Parallel()
	services, err := parity.Services("../service")
	if err != nil {
		t.Fatal(err)
	}
	want := parity.Page(services)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/parity.md is not what the services register: run go test ./internal/parity -update")
	}
}

func TestEveryHandlerHasAnOperationInItsModel(t *testing.T) {
	t.Parallel()
	services, err := parity.Services("../service")
	if err != nil {
		t.Fatal(err)
	}
	// Reached from inside only, and by Git: see package undocumented and the codecommit service.
	inside := []string{"codecommit:UploadArchive"}
	for _, s := range services {
		for _, h := range s.Handlers {
			name := s.Folder + ":" + h.Name
			if s.API.Op(h.Name) == nil && !slices.Contains(inside, name) {
				t.Errorf("%s is registered and not generated: no client can call it", name)
			}
		}
	}
}

func TestLimitsAreTakenFromThePackageComment(t *testing.T) {
	t.Parallel()
	got := parity.Notes("Package x is X. Refused calls are logged.\n\nDone: much.\n\nRefused: little,\nand more. Stored only: a.\n\nInvariant: what is stored stays.\n")
	if !slices.Equal(got, []string{"Refused: little, and more. Stored only: a."}) {
		t.Errorf("notes: %q", got)
	}
}
