package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/admin"
	"github.com/penstock-ci/penstock/internal/compute"
	"github.com/penstock-ci/penstock/internal/dataplane"
	"github.com/penstock-ci/penstock/internal/identity"
	"github.com/penstock-ci/penstock/internal/mirror"
	"github.com/penstock-ci/penstock/internal/store"
)

// desk serves the operator's commands.
func (s *server) desk() *http.Server {
	started := s.clock.Now()
	return &http.Server{ReadHeaderTimeout: time.Minute, Handler: admin.Handler(admin.Operations{
		Env:    s.env,
		Status: func(ctx context.Context) (admin.Status, error) { return s.status(ctx, started) },
		URL:    s.urls,
		MirrorAdd: func(ctx context.Context, name string) (admin.Image, error) {
			image, err := s.host.mirror.Add(ctx, name)
			return shown(image), err
		},
		MirrorList: func(ctx context.Context) ([]admin.Image, error) {
			images, err := s.host.mirror.List(ctx)
			out := make([]admin.Image, 0, len(images))
			for _, i := range images {
				out = append(out, shown(i))
			}
			return out, err
		},
		MirrorRemove: s.host.mirror.Remove,
		Remove:       s.remove,
	})}
}

func shown(i mirror.Image) admin.Image {
	return admin.Image{Name: i.Name(), Digest: string(i.Digest), Size: i.Size}
}

var accountID = regexp.MustCompile(`^\d{12}$`)

// env makes the account where it does not exist yet, as the operator asks for it.
func (s *server) env(ctx context.Context, account, region string) (admin.Env, error) {
	if account == "" {
		account = identity.DefaultAccount
	}
	if !accountID.MatchString(account) {
		return admin.Env{}, fmt.Errorf("%q is no account: an account id has 12 digits", account)
	}
	if err := s.identity.EnsureAccount(ctx, account, account); err != nil {
		return admin.Env{}, err
	}
	key, err := s.identity.Env(ctx, account)
	if err != nil {
		return admin.Env{}, err
	}
	return admin.Env{
		Endpoint: "http://" + s.endpoint, TLSEndpoint: "https://" + s.endpoint, Account: account, Region: region,
		AccessKeyID: key.AccessKeyID, SecretAccessKey: key.Secret, CA: s.in.Path("authority", "ca.pem"),
	}, nil
}

func (s *server) status(ctx context.Context, started time.Time) (admin.Status, error) {
	out := admin.Status{
		Installation: s.in.ID, Data: s.in.Data, PID: os.Getpid(), Started: started,
		Endpoint: "http://" + s.endpoint, Site: fmt.Sprintf("elb.localhost:%d", s.cmd.Site.Port()),
	}
	plane, err := s.host.data.Status(ctx)
	if err != nil {
		out.DataPlane = "does not answer: " + err.Error()
	} else {
		out.DataPlanePID = plane.PID
		out.DataPlane = fmt.Sprintf("process %d since %s", plane.PID, plane.Started.Local().Format(time.DateTime))
		if plane.Problems != "" {
			out.Alarms = append(out.Alarms, plane.Problems)
		}
	}
	pods, err := s.pods(ctx)
	if compute.IsAway(err) {
		out.Alarms = append(out.Alarms, err.Error())
	} else if err != nil {
		return out, err
	}
	for _, p := range pods {
		out.Pods = append(out.Pods, admin.Pod{Name: p.Pod, Owner: p.Owner, Phase: string(p.Phase), Address: p.Address.String()})
	}
	wrong, err := s.host.plane.Check(ctx)
	for _, vpc := range wrong {
		out.Alarms = append(out.Alarms, "the kernel's state of "+vpc+" is not what was put in force; it is being mended")
	}
	return out, err
}

// pods asks the Engine even where there is none.
func (s *server) pods(ctx context.Context) ([]compute.Status, error) {
	if _, err := s.host.pods.Engine().Ping(ctx); err != nil {
		return nil, err
	}
	return s.host.pods.List(ctx)
}

// urls are where this host reaches a load balancer, told by name, ARN or DNS name.
func (s *server) urls(ctx context.Context, name string) ([]admin.URL, error) {
	var snapshot dataplane.Snapshot
	err := s.db.View(ctx, func(ctx context.Context, r store.Reader) (err error) {
		snapshot, err = s.host.names.Snapshot(ctx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	snapshot.Site = s.cmd.Site
	found, ok := snapshot.Reach(name)
	if !ok {
		return nil, fmt.Errorf("no load balancer %q with a listener that this host reaches: `aws elbv2 describe-load-balancers` lists them", name)
	}
	out := make([]admin.URL, 0, len(found.URLs))
	for _, u := range found.URLs {
		parsed, err := url.Parse(u)
		if err != nil {
			return nil, fmt.Errorf("the load balancer's address %q: %w", u, err)
		}
		at := admin.URL{Name: found.Name, DNSName: found.DNSName, URL: u, Host: parsed.Host, Address: parsed.Host}
		if strings.Contains(parsed.Hostname(), ".localhost") {
			at.Address = s.cmd.Site.String()
		}
		out = append(out, at)
	}
	return out, nil
}

// remove takes away what the installation made outside its data folder, and ends the server.
func (s *server) remove(ctx context.Context) error {
	if _, err := s.host.pods.Engine().Ping(ctx); err != nil {
		return fmt.Errorf("nothing is removed yet: %w", err)
	}
	s.rest() // or what is removed would be made anew
	err := errors.Join(s.host.pods.RemoveAll(ctx), s.host.pods.Engine().RemoveImagesFrom(ctx, s.loopback()), s.stopDataPlane(ctx), s.host.plane.RemoveAll(ctx))
	if err != nil {
		return fmt.Errorf("remove the installation %s: %w", s.in.ID, err)
	}
	close(s.ended)
	return nil
}

// stopDataPlane ends the second process. One may be on its way up just now: it is
// waited for, so that none comes up after its installation is gone.
func (s *server) stopDataPlane(ctx context.Context) error {
	if err := s.host.data.EnsureRunning(ctx); err != nil {
		return err
	}
	return s.host.data.Stop(ctx)
}
