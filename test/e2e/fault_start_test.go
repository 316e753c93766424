package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// TestServersThatCannotStart are refused in one sentence with the next step. They leave
// nothing, and disturb nobody.
func TestServersThatCannotStart(t *testing.T) {
	penstock := binary(t)
	in := serve(t)
	small := newDisk(t)
	small.fill(t)
	for name, c := range map[string]struct {
		data, listen, site string
		says               []string
	}{
		"a second one on the same data folder": {in.data, freePort(t), freePort(t), []string{fmt.Sprintf("process %d", in.server.PID()), "--data"}},
		"an address in use":                    {filepath.Join(t.TempDir(), "data"), in.server.Listen, freePort(t), []string{in.server.Listen, "--listen"}},
		"an address of the sites in use":       {filepath.Join(t.TempDir(), "data"), freePort(t), in.server.Site, []string{in.server.Site, "--site"}},
		"a full disk":                          {filepath.Join(small.folder, "data"), freePort(t), freePort(t), []string{"full", "make room"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out, err := exec.CommandContext(ctx, penstock, "serve", "--data", c.data, "--listen", c.listen, "--site", c.site).CombinedOutput()
			said := string(out)
			if err == nil || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "penstock: ") {
				t.Fatalf("it ended with %v and said %q", err, said)
			}
			for _, part := range c.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not say %q but %q", part, said)
				}
			}
			id, err := os.ReadFile(filepath.Join(c.data, "installation"))
			if err != nil || c.data == in.data {
				return
			}
			if left := leftovers(t, strings.TrimSpace(string(id))); left != "" {
				t.Errorf("it left %s", left)
			}
		})
	}
	if _, err := in.aws.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{}); err != nil {
		t.Errorf("the server that runs answers %v", err)
	}
}
