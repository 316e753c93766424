package codebuild

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	api "github.com/penstock-ci/penstock/api/codebuild"
	"github.com/penstock-ci/penstock/internal/op"
)

const simpleSpec = `version: 0.2
env:
  variables: {GREETING: hello}
  secrets-manager:
    DB: db:url
  exported-variables: [RESULT]
phases:
  install:
    commands: [echo installing]
  build:
    commands:
      - X=carried
      - echo "$GREETING $X $CODEBUILD_BUILD_NUMBER"
      - echo "db is $DB"
      - env | grep -c AWS_ENDPOINT_URL || echo no endpoint
      - grep -c EXAMPLEEXAMPLE $AWS_CA_BUNDLE
      - curl -s 169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI | jq -r .Token
  post_build:
    commands: [RESULT=$X-on]
`

// One container after another: they share the host's link-local address.
func TestRealBuilds(t *testing.T) {
	pods, bin := realPods(t)
	w := newWorld(t, pods, bin)
	srv := w.serveControl()
	t.Cleanup(func() { srv.Close() })

	t.Run("a build runs in a container", func(t *testing.T) {
		w.t = t
		w.project("simple", simpleSpec, false)
		started := w.startBuild("simple")
		b := w.await(*started.Id, Build.Complete)
		log := w.text(b)
		if b.Status != "SUCCEEDED" {
			t.Fatalf("%s: %s\n%s", b.Status, phases(b), log)
		}
		for _, want := range []string{"\nhello carried 1\n", "\ndb is ***\n", "\nno endpoint\n", "\nt\n", "Phase complete: BUILD State: SUCCEEDED\n"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		if len(b.Exported) != 1 || b.Exported[0].Value != "carried-on" {
			t.Errorf("exported: %+v", b.Exported)
		}
		var took []string
		for _, p := range b.Phases[:len(b.Phases)-1] {
			took = append(took, fmt.Sprintf("%s %s", p.Phase, p.End.Sub(p.Start)))
		}
		t.Logf("whole build: %s (%s)", b.End.Sub(b.Start), strings.Join(took, ", "))
	})

	t.Run("users, shell and what follows a failure are the buildspec's", func(t *testing.T) {
		w.t = t
		w.project("users", usersSpec, false)
		b := w.await(*w.startBuild("users").Id, Build.Complete)
		log := w.text(b)
		for _, want := range []string{"\n1 codebuild-user /home/codebuild-user yes\n", "\n2 root /root carried\n", "\nhelper !'/codebuild/bin/penstock-runner' git-credential\n", "\n3 codebuild-user finally 0\n", "\n4 codebuild-user 0\n"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		if got := phases(b); b.Status != "SUCCEEDED" || !strings.Contains(got, "BUILD FAILED, POST_BUILD SUCCEEDED, UPLOAD_ARTIFACTS SUCCEEDED") {
			t.Errorf("%s: %s\n%s", b.Status, got, log)
		}
		if len(b.Exported) != 2 || b.Exported[0].Value != "carried" || b.Exported[1].Value != "from-user" {
			t.Errorf("exported: %+v", b.Exported)
		}
	})

	t.Run("a compute type is a limit", func(t *testing.T) {
		w.t = t
		w.Cores, w.Memory = 1, 64*gib
		defer func() { w.Cores, w.Memory = 0, 0 }()
		w.project("small", "version: 0.2\nphases:\n  build:\n    commands:\n      - cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | sed 's/^/memory /'\n", false)
		b := w.await(*w.startBuild("small").Id, Build.Complete)
		if log := w.text(b); !strings.Contains(log, fmt.Sprintf("\nmemory %d\n", 4*gib)) {
			t.Errorf("%s: %s", b.Status, log)
		}
	})

	t.Run("a local cache is there for the next build", func(t *testing.T) {
		w.t = t
		w.cached("kept", keptSpec, true, api.ProjectCache{Type: new("LOCAL"), Modes: []string{"LOCAL_CUSTOM_CACHE", "LOCAL_DOCKER_LAYER_CACHE"}})
		for n, want := range []string{"after:.", "after:1 .", "after:1 2 ."} {
			layers := fmt.Sprintf("\nimages %d, containers 0, volumes 0\n", min(n, 1))
			b := w.await(*w.startBuild("kept").Id, Build.Complete)
			if log := w.text(b); b.Status != "SUCCEEDED" || !strings.Contains(log, "\n"+want+"\n") || !strings.Contains(log, layers) {
				t.Fatalf("build %d: %s: the log lacks %q or %q:\n%s", n+1, b.Status, want, layers, log)
			}
		}
	})

	t.Run("a build goes on while the server is away", func(t *testing.T) {
		w.t = t
		w.project("count", "version: 0.2\nphases:\n  build:\n    commands:\n      - for i in $(seq 0 2999); do echo line $i; sleep 0.001; done\n", false)
		id := *w.startBuild("count").Id
		w.await(id, func(b Build) bool { return strings.Contains(w.text(b), "line 300\n") })
		srv.Close()
		w.restart()
		srv = w.listen()
		b := w.await(id, Build.Complete)
		next := 0
		for _, l := range strings.Split(w.text(b), "\n") {
			if n, ok := strings.CutPrefix(l, "line "); ok {
				if n != strconv.Itoa(next) {
					t.Fatalf("line %s where %d was due", n, next)
				}
				next++
			}
		}
		if next != 3000 || b.Status != "SUCCEEDED" {
			t.Errorf("%s with %d lines", b.Status, next)
		}
	})

	t.Run("a stopped build is stopped and cleaned", func(t *testing.T) {
		w.t = t
		w.project("sleep", "version: 0.2\nphases:\n  build:\n    commands: [echo begun, sleep 600]\n", false)
		id := *w.startBuild("sleep").Id
		w.await(id, func(b Build) bool { return b.Phase == BuildPhase && strings.Contains(w.text(b), "\nbegun\n") })
		out, err := op.Call(t.Context(), w.aws, w.aws.Root(), api.StopBuild, &api.StopBuildInput{Id: &id})
		if err != nil || *out.Build.BuildStatus != "STOPPED" {
			t.Fatalf("%v %+v", err, out)
		}
		b := w.await(id, Build.Complete)
		if got := b.Phases[len(b.Phases)-3]; got.Phase != BuildPhase || got.Status != "STOPPED" {
			t.Errorf("phases: %s", phases(b))
		}
	})

	t.Run("a killed container is a fault", func(t *testing.T) {
		w.t = t
		id := *w.startBuild("sleep").Id
		b := w.await(id, func(b Build) bool { return strings.Contains(w.text(b), "\nbegun\n") })
		if err := pods.Stop(t.Context(), b.pod(), 0); err != nil {
			t.Fatal(err)
		}
		if b = w.await(id, Build.Complete); b.Status != "FAULT" {
			t.Errorf("%s: %s", b.Status, phases(b))
		}
	})

	t.Run("docker build and run in a privileged build", func(t *testing.T) {
		w.t = t
		w.project("nested", nestedSpec, true)
		b := w.await(*w.startBuild("nested").Id, Build.Complete)
		log := w.text(b)
		if b.Status != "SUCCEEDED" {
			t.Fatalf("%s: %s\n%s", b.Status, phases(b), log)
		}
		for _, want := range []string{"\ncontainers: 0\n", "\nRUN trusts 1\n", "\nrun trusts 1\n", "\nexec trusts 1\n", "\ntrace: 0 in 1\n"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log lacks %q:\n%s", want, log)
			}
		}
		if !strings.Contains(log, " BuildKit trusts 1\n") {
			t.Errorf("a RUN step of BuildKit does not trust:\n%s", log)
		}
		t.Logf("whole build: %s", b.End.Sub(b.Start))
	})
}

// usersSpec runs as one user and another, in bash, and goes on after a failure.
const usersSpec = `version: 0.2
run-as: codebuild-user
env:
  shell: bash
  git-credential-helper: yes
  exported-variables: [X, Y]
phases:
  install:
    commands:
      - if [[ $BASH_VERSION == ?* ]]; then echo 1 $(id -un) $HOME yes; fi
      - X=carried
  pre_build:
    run-as: root
    commands: [echo 2 $(id -un) $HOME $X, echo helper $(git config credential.helper)]
  build:
    on-failure: CONTINUE
    commands: [Y=from-user, false]
    finally: [echo 3 $(id -un) finally $CODEBUILD_BUILD_SUCCEEDING]
  post_build:
    commands: [echo 4 $(id -un) $CODEBUILD_BUILD_SUCCEEDING]
`

// keptSpec leaves an image, a running container with a name, a volume, and a line in a
// folder of the home.
const keptSpec = `version: 0.2
phases:
  build:
    commands:
      - echo "images $(docker images -q kept | wc -l), containers $(docker ps -aq | wc -l), volumes $(docker volume ls -q | wc -l)"
      - touch /root/.deps/runs; echo "after:$(tr '\n' ' ' < /root/.deps/runs)."
      - echo $CODEBUILD_BUILD_NUMBER >> /root/.deps/runs
      - docker images -q kept | grep . || tar -C / -ch bin/sleep lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 2>/dev/null | docker import - kept
      - docker volume create data
      - docker run -d --restart always --name left -v data:/data kept /bin/sleep 600
cache:
  paths:
    - /root/.deps/**/*
`

const nestedSpec = `version: 0.2
phases:
  install:
    commands:
      - 'echo "containers: $(docker ps -q | wc -l)"'
      - mkdir -p ctx && tar -C / -c bin lib lib64 usr/bin/env usr/bin/grep usr/bin/sh usr/bin/dash usr/bin/bash usr/lib/x86_64-linux-gnu/libtinfo.so.6 usr/lib/x86_64-linux-gnu/libtinfo.so.6.4 usr/bin/cat usr/bin/sleep usr/lib/x86_64-linux-gnu/libc.so.6 usr/lib/x86_64-linux-gnu/libpcre2-8.so.0 usr/lib64/ld-linux-x86-64.so.2 usr/lib/x86_64-linux-gnu/libpcre2-8.so.0.11.2 usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 2>/dev/null | docker import - base
  build:
    commands:
      - |
        printf 'FROM base\nRUN echo "RUN trusts $(grep -c EXAMPLEEXAMPLE $SSL_CERT_FILE)"\nRUN echo made > /made\n' > ctx/Dockerfile
      - docker build -t app ctx
      - |
        printf 'FROM base\nRUN echo "BuildKit trusts $(grep -c EXAMPLEEXAMPLE $SSL_CERT_FILE)"\n' > ctx/Dockerfile
      - DOCKER_BUILDKIT=1 docker build --progress=plain -t kit ctx
      - docker run --rm app /bin/sh -c 'echo "run trusts $(grep -c EXAMPLEEXAMPLE $SSL_CERT_FILE)"'
      - docker run -d --name daemon app /bin/sh -c 'sleep 60'
      - docker exec daemon /bin/sh -c 'echo "exec trusts $(grep -c EXAMPLEEXAMPLE $AWS_CA_BUNDLE)"'
      - 'echo "trace: $(docker export $(docker create app true) | tar -t > list; grep -c penstock list) in $(grep -c ^made list)"'
`
