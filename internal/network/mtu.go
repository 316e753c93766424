package network

import "github.com/penstock-ci/penstock/internal/network/kernel"

// HostMTU is the MTU of the link by which this host reaches outside; nested
// networks must not have a larger one.
func HostMTU() (int, error) {
	host, err := kernel.Open("")
	if err != nil {
		return 0, err
	}
	defer host.Close()
	return host.UplinkMTU()
}
