package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/api/codecommit"
	"github.com/penstock-ci/penstock/api/codepipeline"
	"github.com/penstock-ci/penstock/api/ec2"
	"github.com/penstock-ci/penstock/api/ecr"
	"github.com/penstock-ci/penstock/api/ecs"
	"github.com/penstock-ci/penstock/api/elbv2"
	"github.com/penstock-ci/penstock/api/events"
	"github.com/penstock-ci/penstock/api/iam"
	"github.com/penstock-ci/penstock/api/logs"
	"github.com/penstock-ci/penstock/api/rds"
	"github.com/penstock-ci/penstock/api/s3"
	"github.com/penstock-ci/penstock/api/secretsmanager"
	"github.com/penstock-ci/penstock/api/ssm"
	"github.com/penstock-ci/penstock/api/sts"
	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/model"
	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/wire"
)

func everything() []*model.Service {
	return []*model.Service{
		codebuild.API, codecommit.API, codepipeline.API, ec2.API, ecr.API, ecs.API, elbv2.API, events.API, iam.API, logs.API, rds.API, s3.API, secretsmanager.API, ssm.API, sts.API,
	}
}

// mirror counts the texts of an input that lie where they belong, and answers with
// an output of which every member is set.
type mirror struct {
	mu       sync.Mutex
	services map[string]*model.Service
	got      map[string]int // "elbv2 CreateRule" → texts of the input
	sent     map[string]int // … of the output
	wrong    []string
}

func (m *mirror) InvokeStream(_ context.Context, _ op.Caller, service, name string, in any, body io.Reader) (any, io.ReadCloser, error) {
	if body != nil {
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	svc := m.services[service]
	at := svc.Package + " " + name
	m.got[at] = m.read(at, "", reflect.ValueOf(in))
	o := svc.Op(name)
	f := filler{storage: service == "s3", streams: o.StreamOut}
	out := o.NewOut()
	f.fill("", reflect.ValueOf(out).Elem(), 0)
	m.sent[at] = f.texts
	if o.StreamOut {
		return out, io.NopCloser(strings.NewReader("body")), nil
	}
	return out, nil, nil
}

func (m *mirror) read(at, name string, v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return m.read(at, name, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i).Name; !strings.HasPrefix(f, "Checksum") { // those the client adds
				n += m.read(at, f, v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if v.Type().Elem().Kind() != reflect.Uint8 {
				n += m.read(at, name, v.Index(i))
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			n += m.read(at, name, v.MapIndex(k))
		}
	case reflect.String:
		if s := strings.TrimPrefix(v.String(), "b/"); !strings.HasPrefix(strings.ToLower(s), strings.ToLower(name)+"-") {
			m.wrong = append(m.wrong, fmt.Sprintf("%s: %s came as %q", at, name, v.String()))
		}
		return 1
	}
	return n
}

// filler sets every member of an output.
type filler struct {
	storage, streams bool
	texts            int
}

func (f *filler) fill(name string, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(name, v.Elem(), depth)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[op.Time]() {
			v.Set(reflect.ValueOf(op.Time{Time: time.Unix(1800000000, 0)}))
			return
		}
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if f.left(field.Name, field.Type, depth) {
				continue
			}
			f.fill(field.Name, v.Field(i), depth+1)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"a":1}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.fill(name, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		f.fill(name, e, depth+1)
		v.SetMapIndex(reflect.ValueOf("k"), e)
	case reflect.String:
		f.texts++
		v.SetString(fmt.Sprintf("%s-%d<&", name, f.texts))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(4)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Uint8:
		v.SetUint('x')
	}
}

// left tells what is not set: what ends a recursion, and what S3's clients judge.
func (f *filler) left(name string, t reflect.Type, depth int) bool {
	if depth > 7 && (t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct) {
		return true
	}
	return f.storage && (strings.HasPrefix(name, "Checksum") || name == "Expires" || name == "EncodingType" || name == "ContentEncoding")
}

// TestEveryMemberOfEveryOperationTravels compares our codecs with botocore's, which
// reads the same models.
func TestEveryMemberOfEveryOperationTravels(t *testing.T) {
	t.Parallel()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("NOT TESTED: python3 with boto3 is not installed (pip install boto3)")
	}
	m := &mirror{services: map[string]*model.Service{}, got: map[string]int{}, sent: map[string]int{}}
	list := map[string][]string{}
	for _, s := range everything() {
		m.services[s.Name] = s
		for _, o := range s.Ops {
			list[s.Package] = append(list[s.Package], o.Name)
		}
	}
	server := httptest.NewServer(wire.New(wire.Config{Services: everything(), Credentials: keys{}, Dispatch: m, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Region: "us-east-1"}))
	defer server.Close()
	stdin, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", "testdata/shapes.py", server.URL, key, secret)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("the client ended early: %v\n%s", err, stderr.Bytes())
	}
	calls := 0
	for line := range strings.Lines(string(out)) {
		var pkg, name string
		var sent, read int
		if _, err := fmt.Sscan(line, &pkg, &name, &sent, &read); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		calls++
		at := pkg + " " + name
		if m.got[at] != sent {
			t.Errorf("%s: %d of %d texts of the input arrived", at, m.got[at], sent)
		}
		if m.sent[at] != read {
			t.Errorf("%s: %d of %d texts of the output were read", at, read, m.sent[at])
		}
		if words := strings.Fields(line); len(words) > 4 {
			t.Errorf("%s: the client read %v", at, words[4:])
		}
	}
	for _, w := range m.wrong {
		t.Error(w)
	}
	t.Logf("%d operations", calls)
}
