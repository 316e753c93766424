package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/dataplane/socket"
	"github.com/penstock-ci/penstock/internal/network"
	"github.com/penstock-ci/penstock/internal/splice"
)

// Places of the test's little VPC: a load balancer, a target and an edge.
var (
	lbPlace   = network.Place{Kind: "eni", ID: "lb"}
	appPlace  = network.Place{Kind: "eni", ID: "app"}
	vpcPlace  = network.Place{Kind: "vpc", ID: "v"}
	edgePlace = network.Place{Kind: "edge"}
)

func run(t *testing.T, line string, args ...any) {
	t.Helper()
	f := strings.Fields(fmt.Sprintf(line, args...))
	if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(f, " "), err, out)
	}
}

// namespace makes a namespace for p.
func namespace(t *testing.T, dir string, p network.Place, addresses ...string) string {
	t.Helper()
	name := fmt.Sprintf("dptest%d-%s%s", os.Getpid(), p.Kind, p.ID)
	run(t, "ip netns add %s", name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	run(t, "ip -n %s link set lo up", name)
	for _, a := range addresses {
		run(t, "ip -n %s addr add %s/32 dev lo", name, a)
	}
	file := p.Path(filepath.Join(dir, "netns"))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(file) // of the namespace before
	if err := os.Symlink("/run/netns/"+name, file); err != nil {
		t.Fatal(err)
	}
	return name
}

func link(t *testing.T, lb, app string) {
	t.Helper()
	run(t, "ip -n %s link add eth0 type veth peer name eth0 netns %s", lb, app)
	run(t, "ip -n %s addr add 10.9.0.1/24 dev eth0", lb)
	run(t, "ip -n %s addr add 10.9.0.2/24 dev eth0", app)
	run(t, "ip -n %s link set eth0 up", lb)
	run(t, "ip -n %s link set eth0 up", app)
}

func private() dataplane.Snapshot {
	front := dataplane.Front{Place: lbPlace, Address: netip.MustParseAddr("10.9.0.1")}
	return dataplane.Snapshot{
		Number:    1,
		VPCs:      []dataplane.VPC{{ID: "v", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}, Sources: []netip.Addr{dataplane.ServiceAddress}}},
		Balancers: []dataplane.Balancer{{ID: "lb", Fronts: []dataplane.Front{front}}},
		Listeners: []dataplane.Listener{{ID: "l", Balancer: "lb", Protocol: dataplane.HTTP, Port: 80, Rules: []dataplane.Rule{
			{ID: "default", Action: dataplane.Action{Forward: &dataplane.Forward{Pools: []dataplane.Share{{Pool: "p", Weight: 1}}}}},
		}}},
		Pools: []dataplane.Pool{{
			ID: "p", Balancer: "lb", Protocol: dataplane.HTTP, Targets: []dataplane.Target{{Address: netip.MustParseAddrPort("10.9.0.2:8080")}},
			Check: dataplane.Check{Protocol: dataplane.HTTP, Path: "/", Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2},
		}},
	}
}

// app serves in the target's namespace; it answers with what it was told about its client.
func app(t *testing.T, ns socket.Namespaces) {
	t.Helper()
	set := socket.NewSet(ns, nil)
	key := socket.Key{Network: "tcp", Place: appPlace, Address: netip.MustParseAddrPort("10.9.0.2:8080")}
	if _, err := set.Want([]socket.Key{key}); err != nil {
		t.Fatal(err)
	}
	h, _ := set.Get(key)
	l, err := net.FileListener(h.File)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RemoteAddr[:strings.IndexByte(r.RemoteAddr, ':')], " ", r.Header.Get("X-Forwarded-For"))
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); set.Close() })
}

// in is an HTTP client whose connections leave from p.
func in(ns socket.Namespaces, p network.Place) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return ns.Dial(ctx, p, netip.MustParseAddrPort(address))
		},
	}}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNamesAddressesAndBalancersInsideNamespaces(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	b := setup(t)
	ns := socket.Namespaces{Root: filepath.Join(b.dir, "netns")}
	lb, target := namespace(t, b.dir, lbPlace), namespace(t, b.dir, appPlace)
	namespace(t, b.dir, vpcPlace, "169.254.169.253", "169.254.170.2", "169.254.169.254", "10.9.0.2")
	namespace(t, b.dir, edgePlace, "198.18.0.1")
	link(t, lb, target)
	app(t, ns)
	if err := b.Apply(t.Context(), private()); err != nil {
		t.Fatal(err)
	}
	healthy(t, b.Client, 1)
	if got := get(t, in(ns, appPlace), "http://10.9.0.1:80/"); got != "10.9.0.1 10.9.0.2" {
		t.Errorf("the target saw %q, want the balancer's address and the client's", got)
	}

	t.Run("names over UDP and TCP", func(t *testing.T) {
		for _, server := range []string{"169.254.169.253:53", "10.9.0.2:53"} {
			c, err := ns.Dial(t.Context(), vpcPlace, netip.MustParseAddrPort(server))
			if err != nil {
				t.Fatal(err)
			}
			m, _, err := (&dns.Client{Net: "tcp"}).ExchangeWithConn(new(dns.Msg).SetQuestion("sts.us-east-1.amazonaws.com.", dns.TypeA), &dns.Conn{Conn: c})
			if err != nil || len(m.Answer) != 1 || dns.Field(m.Answer[0], 1) != "198.18.0.1" {
				t.Errorf("%s: %v %v", server, m, err)
			}
			c.Close()
		}
		out, err := exec.Command("ip", "netns", "exec", filepath.Base(mustLink(t, vpcPlace.Path(ns.Root))), "/usr/bin/env", askUDP+"=169.254.169.253:53", os.Args[0]).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "198.18.0.1" {
			t.Errorf("over UDP: %s %v", out, err)
		}
	})

	t.Run("connections to AWS wait for the server", func(t *testing.T) {
		result := make(chan string, 1)
		go func() { result <- get(t, in(ns, edgePlace), "http://198.18.0.1:80/x") }()
		select {
		case got := <-result:
			t.Fatalf("answered without a server: %q", got)
		case <-time.After(200 * time.Millisecond):
		}
		serve(t, filepath.Join(b.dir, "serve.sock"))
		if got := <-result; got != "api v 198.18.0.1:80" {
			t.Errorf("the server saw %q", got)
		}
		for path, want := range map[string]string{"/v2/credentials/x": splice.Credentials, "/penstock/1": splice.Control} {
			if got := get(t, in(ns, vpcPlace), "http://169.254.170.2:80"+path); got != want+" v 169.254.170.2:80" {
				t.Errorf("%s: the server saw %q", path, got)
			}
		}
		if got := get(t, in(ns, vpcPlace), "http://169.254.169.254:80/latest"); got != "metadata v 169.254.169.254:80" {
			t.Errorf("the server saw %q", got)
		}
	})

	t.Run("a namespace made anew", func(t *testing.T) {
		run(t, "ip netns del %s", lb) // the process's sockets keep it, and the link in it
		run(t, "ip -n %s link del eth0", target)
		if err := os.Remove(lbPlace.Path(ns.Root)); err != nil {
			t.Fatal(err)
		}
		link(t, namespace(t, b.dir, lbPlace), target)
		if err := b.Apply(t.Context(), private()); err != nil {
			t.Fatal(err)
		}
		if got := get(t, in(ns, appPlace), "http://10.9.0.1:80/"); got != "10.9.0.1 10.9.0.2" {
			t.Errorf("got %q", got)
		}
	})
}

func mustLink(t *testing.T, path string) string {
	t.Helper()
	to, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// serve is a server that answers with the header of the connection.
func serve(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			h, err := splice.Read(r)
			if err != nil {
				c.Close()
				continue
			}
			if _, err := http.ReadRequest(r); err == nil {
				body := fmt.Sprintf("%s %s %s", h.Kind, h.VPC, h.Destination)
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
			}
			c.Close()
		}
	}()
}

// askUDP makes this test binary ask a resolver over UDP and print the answer.
const askUDP = "PENSTOCK_TEST_ASK"

func ask(server string) error {
	m, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("sts.us-east-1.amazonaws.com.", dns.TypeA), server)
	if err != nil {
		return err
	}
	for _, a := range m.Answer {
		fmt.Println(dns.Field(a, 1))
	}
	return nil
}
