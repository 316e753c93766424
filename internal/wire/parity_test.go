package wire

import (
	"slices"
	"testing"
)

func TestLimitsOfAServiceAreTakenFromItsPackageComment(t *testing.T) {
	t.Parallel()
	got := Limits("Package x is X. Refused: much.\n\nPasswords are never stored.\n\nRefused: little,\nand more. Stored and given back: a.\n\nInvariant: what is stored and kept stays.\n")
	want := []string{"Refused: much.", "Refused: little, and more. Stored and given back: a."}
	if !slices.Equal(got, want) {
		t.Errorf("limits %q, want %q", got, want)
	}
}
