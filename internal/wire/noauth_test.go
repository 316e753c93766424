package wire_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/wire"
)

func TestWithoutAuthenticationEveryoneIsRoot(t *testing.T) {
	t.Parallel()
	e := &echo{objects: map[string][]byte{}}
	s := httptest.NewServer(wire.New(wire.Config{
		Services: []*model.Service{ecs.API, s3.API}, Dispatch: e, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Region: "us-east-1",
		NoAuth: &op.Caller{ARN: "arn:aws:iam::100000000001:root"},
	}))
	defer s.Close()
	b := &bench{echo: e, address: strings.TrimPrefix(s.URL, "http://")}
	cfg := b.config(t, "http", "any secret")
	if _, err := storage(cfg).PutObject(t.Context(), &sdks3.PutObjectInput{Bucket: new("b"), Key: new("k"), Body: strings.NewReader("text")}); err != nil || string(e.objects["k"]) != "text" {
		t.Errorf("put: %v", err)
	}
	r := httptest.NewRequest("POST", s.URL, strings.NewReader("{}"))
	r.RequestURI = ""
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters")
	if status, _, body := dialects()["json"].refused(t, r); status != 200 {
		t.Errorf("unsigned: %d %s", status, body)
	}
	if e.caller.ARN != "arn:aws:iam::100000000001:root" || e.caller.Region != "us-east-1" {
		t.Errorf("caller = %+v", e.caller)
	}
}
