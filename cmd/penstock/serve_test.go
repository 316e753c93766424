package main

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/penstock-ci/penstock/internal/installation"
)

func TestASiteAddressThatAnotherHasIsRefusedWithTheNextStep(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	in, err := installation.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{cmd: &serveCmd{Site: netip.MustParseAddrPort(other.Addr().String())}, in: in}
	if err := s.checkSite(); err == nil || !strings.Contains(err.Error(), "--site") {
		t.Fatalf("a site address in use: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.checkSite(); err != nil {
		t.Fatalf("a free site address: %v", err)
	}
}
