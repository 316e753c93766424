package guard

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// leaf packages know nothing of the others: everybody may import them.
var leaf = []string{"internal/arn", "internal/clock", "internal/ids"}

// line says what a package may import of ours beyond leaf, and why. A star stands
// for one folder. The first line that matches a package holds.
type line struct{ pkg, may, why string }

var table = []line{
	{"api/*", "internal/model internal/op", "generated data: operations as values, constraints, errors"},
	{"cmd/penstock", "*", "wiring is here and visible"},
	{"cmd/penstock-runner", "internal/runner", "the program in a build container is small"},
	{"examples", "", "files only"},
	{"gen", "", "reads models, writes api/: must build when api/ does not"},
	{"images", "", "files only"},
	{"test/*", "*", "tests see everything"},

	{"internal/guard", "", "tests only"},
	{"internal/arn", "", "leaf"},
	{"internal/clock", "", "leaf"},
	{"internal/ids", "", "leaf"},

	// Ways in.
	{"internal/op", "internal/store", "a handler is given a reader or a transaction"},
	{"internal/model", "internal/op", "constraints refuse with AWS's errors"},
	{"internal/undocumented", "internal/op", "operations that AWS publishes no model of"},
	{"internal/wire", "internal/model internal/op internal/splice", "bytes and operations only: what they mean is decided behind the dispatcher"},
	{"internal/dispatch", "internal/identity internal/op internal/store", "the one way in asks identity and opens the transaction"},
	{"internal/dispatch/dispatchtest", "internal/dispatch internal/identity internal/op internal/store internal/store/storetest", "a dispatcher for the tests of services"},
	{"internal/identity", "internal/identity/policy internal/op internal/store", "who asks and what they may"},
	{"internal/identity/policy", "", "deciding is pure"},
	{"internal/authority", "", "certificates only"},
	{"internal/admin", "", "the operator's socket carries plain values: cmd fills them"},

	// Foundations.
	{"internal/store", "", "the only package that imports database drivers"},
	{"internal/store/storetest", "internal/store", "an empty database for tests"},
	{"internal/store/storetest/postgrestest", "", "a PostgreSQL server for tests"},
	{"internal/eventstream", "internal/store", "facts are rows"},
	{"internal/engine", "internal/eventstream internal/store", "machines, effects and timers are rows; it knows no AWS service"},
	{"internal/blob", "internal/store", "who needs a blob is a row"},
	{"internal/logstore", "internal/store", "lines have a database of their own, by the same driver"},
	{"internal/eventpattern", "", "matching is pure"},
	{"internal/installation", "", "a folder and an id"},

	// Containers, packets, the second process.
	{"internal/compute", "", "the seam: no back end and no AWS service"},
	{"internal/compute/computetest", "internal/compute", "the contract of every back end"},
	{"internal/compute/course", "internal/compute", "when containers start and a pod ends, for every back end"},
	{"internal/compute/docker", "internal/compute internal/compute/course internal/truststore", "the only package that imports the Docker client"},
	{"internal/compute/fake", "internal/compute internal/compute/course", "scripted pods"},
	{"internal/network", "internal/compute internal/network/kernel internal/store", "records → plan → kernel; it is compute's Attacher"},
	{"internal/network/kernel", "", "the only package that imports netlink and nftables"},
	{"internal/network/networktest", "internal/network internal/network/kernel internal/store internal/store/storetest", "an installation's network for tests"},
	{"internal/splice", "", "the line that data plane and server agree on"},
	{"internal/dataplane", "internal/network internal/store", "records → snapshot; places of namespaces come from network"},
	{"internal/dataplane/balance", "internal/dataplane internal/dataplane/socket internal/dataplane/splicing internal/network", "opens no database"},
	{"internal/dataplane/client", "internal/dataplane internal/dataplane/process internal/dataplane/socket", "the server's end of the process's socket"},
	{"internal/dataplane/process", "internal/dataplane internal/dataplane/balance internal/dataplane/resolver internal/dataplane/socket internal/dataplane/splicing internal/network internal/splice", "the process opens no database and calls no service"},
	{"internal/dataplane/resolver", "internal/dataplane", "answers names of a snapshot"},
	{"internal/dataplane/socket", "internal/network", "sockets in namespaces"},
	{"internal/dataplane/splicing", "", "copies bytes"},

	// Images, Git, builds.
	{"internal/mirror", "internal/blob internal/store", "images are bytes and rows"},
	{"internal/registry", "internal/blob internal/eventstream internal/mirror internal/op internal/store", "the OCI protocol authorises as ecr: actions by the guard of op, and knows no api package"},
	{"internal/images", "internal/blob internal/compute internal/mirror internal/op internal/registry internal/store", "finds what a task or a build starts"},
	{"internal/git", "", "Git only: the codecommit service says who may"},
	{"internal/gitauth", "", "one signature, for Git's helper and for who verifies it"},
	{"internal/buildspec", "", "parsing is pure"},
	{"internal/truststore", "", "bytes only: who puts them where is decided elsewhere"},
	{"internal/runner", "internal/runner/protocol internal/truststore", "runs in the container: it knows the protocol and nothing of the server"},
	{"internal/runner/embed", "", "the runner's bytes"},
	{"internal/runner/protocol", "", "what runner and server agree on"},
	{"internal/host", "internal/compute/docker", "asks the Engine how it is"},
	{"internal/host/baseimage", "images", "makes the base images from their files"},
	{"internal/bench", "api/iam internal/demo internal/op internal/store", "a client of its own server; inside it takes one call and one change"},
	{"internal/daemon", "internal/admin internal/installation", "starts and ends a penstock serve"},
	{"internal/demo", "", "a client like any other: address and keys, nothing of ours"},

	// Services: their own api package, foundations, and the seams that are theirs.
	{"internal/service/codepipeline", common + "internal/service/codepipeline/action internal/service/codepipeline/action/*", "its providers are its own folders"},
	{"internal/service/codepipeline/action", "internal/op internal/store", "the seam of providers"},
	{"internal/service/codepipeline/action/*", "internal/op internal/service/codepipeline/action internal/undocumented", "a provider calls services by the dispatcher only"},
	{"internal/service/codebuild", common + "internal/buildspec internal/compute internal/logstore internal/runner/embed internal/runner/protocol", "pods by compute's seam, and the runner"},
	{"internal/service/codecommit", common + "internal/git internal/gitauth internal/undocumented", "repositories"},
	{"internal/service/ec2", common + "internal/network", "writes the network's records"},
	{"internal/service/ecr", common + "internal/blob internal/registry", "writes the registry's records"},
	{"internal/service/ecs", common + "internal/compute internal/logstore", "pods by compute's seam"},
	{"internal/service/elbv2", common + "internal/dataplane internal/network", "writes the data plane's records; its interfaces have places"},
	{"internal/service/events", common + "internal/eventpattern", "rules"},
	{"internal/service/iam", common + "internal/identity internal/identity/policy", "writes identity's records"},
	{"internal/service/logs", common + "internal/logstore", "lines"},
	{"internal/service/rds", common + "internal/compute internal/dataplane", "pods, and the names of databases"},
	{"internal/service/s3", common + "internal/blob", "bytes"},
	{"internal/service/secretsmanager", common + "internal/identity/policy", "reads resource policies"},
	{"internal/service/ssm", common, "parameters"},
	{"internal/service/sts", common + "internal/identity internal/identity/policy", "mints credentials"},
}

// common is what every service may import: how operations come in, and where
// documents, machines and facts lie.
const common = "internal/engine internal/eventstream internal/op internal/store "

// calls are the files of a service that use the api package of another one. They
// hold effects, or the checks of an input that names another service's resource;
// each such call goes through the dispatcher, as a role.
var calls = map[string]string{
	"internal/service/codebuild/resolve.go":                         "secretsmanager ssm", // the build's environment, as the project's role
	"internal/service/codebuild/run.go":                             "logs",
	"internal/service/codebuild/vpc.go":                             "ec2", // the build's interface; the project's subnets and groups
	"internal/service/codepipeline/action/artifact.go":              "s3",
	"internal/service/codepipeline/action/codebuild/codebuild.go":   "codebuild",
	"internal/service/codepipeline/action/codecommit/codecommit.go": "codecommit",
	"internal/service/codepipeline/action/ecs/ecs.go":               "ecs",
	"internal/service/codepipeline/action/s3/s3.go":                 "s3",
	"internal/service/codepipeline/run.go":                          "sts",                // the role of an action, assumed by the pipeline's
	"internal/service/ecs/launch.go":                                "ec2",                // a task's interface
	"internal/service/ecs/logs.go":                                  "logs",               // awslogs, as the execution role
	"internal/service/ecs/run.go":                                   "ec2 elbv2",          // targets, the interface's end
	"internal/service/ecs/secrets.go":                               "secretsmanager ssm", // as the execution role
	"internal/service/ecs/watch.go":                                 "elbv2",              // target health
	"internal/service/elbv2/placement.go":                           "ec2",                // subnets and groups of a new load balancer
	"internal/service/elbv2/run.go":                                 "ec2",
	"internal/service/events/run.go":                                "codebuild codepipeline",
	"internal/service/rds/group.go":                                 "ec2", // subnets of a DB subnet group
	"internal/service/rds/run.go":                                   "ec2 secretsmanager",
}

// outside says which packages may import a module that is confined, and why.
var outside = []line{
	{"github.com/moby/moby", "internal/compute/docker", "the Engine is one of several back ends"},
	{"github.com/containerd/errdefs", "internal/compute/docker", "the Engine's errors"},
	{"github.com/google/nftables", "internal/network/kernel", "one place that changes the kernel's rules"},
	{"github.com/vishvananda", "internal/network/kernel", "one place that makes links and namespaces"},
	{"github.com/mdlayher/netlink", "internal/network/kernel", "the connection of nftables"},
	{"github.com/jackc/pgx", "internal/store internal/store/storetest/postgrestest", "only the store knows which database it is"},
	{"modernc.org/sqlite", "internal/store", "only the store knows which database it is"},
	{"github.com/pressly/goose", "internal/store", "migrations"},
	{"github.com/aws/aws-sdk-go-v2", "cmd/penstock internal/bench internal/demo", "clients of the AWS API: the server speaks its own generated types"},
	{"github.com/alecthomas/kong", "cmd/penstock", "commands"},
	{"github.com/miekg/dns", "internal/dataplane/process internal/dataplane/resolver", "the resolver"},
	{"go.yaml.in/yaml", "internal/buildspec", "one small package reads YAML, with lines and columns"},
	{"github.com/bmatcuk/doublestar", "internal/runner", "artifact globs"},
}

func TestImportsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if f.isTest {
			continue
		}
		rule, ok := find(table, f.pkg)
		if !ok {
			t.Fatalf("package %s has no line in the table of internal/guard/imports_test.go: say what it may import, and why", f.pkg)
		}
		for _, imported := range f.ours {
			if service, isAPI := strings.CutPrefix(imported, "api/"); isAPI && strings.HasPrefix(f.pkg, "internal/service/") {
				if f.pkg != "internal/service/"+service && !slices.Contains(strings.Fields(calls[f.path]), service) {
					t.Errorf("%s imports %s: another service is called from effects only; a file that does so has a line in calls", f.path, imported)
				}
				continue
			}
			if !allowed(imported, rule.may) && !slices.Contains(leaf, imported) {
				t.Errorf("%s imports %s; %s may not (%s)", f.path, imported, f.pkg, rule.why)
			}
		}
	}
}

func TestNoServiceImportsAnother(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		for _, imported := range f.ours {
			if service, is := strings.CutPrefix(imported, "internal/service/"); is && !f.isTest && strings.HasPrefix(f.pkg, "internal/service/") {
				own, _, _ := strings.Cut(strings.TrimPrefix(f.pkg, "internal/service/"), "/")
				if other, _, _ := strings.Cut(service, "/"); other != own {
					t.Errorf("%s imports %s: services reach each other by the dispatcher only", f.path, imported)
				}
			}
		}
	}
}

func TestConfinedModulesStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		for _, imported := range f.others {
			for _, l := range outside {
				if !f.isTest && strings.HasPrefix(imported, l.pkg) && !allowed(f.pkg, l.may) {
					t.Errorf("%s imports %s, which belongs in %s: %s", f.path, imported, l.may, l.why)
				}
			}
		}
	}
}

func TestTheTablesHaveNoDeadLines(t *testing.T) {
	t.Parallel()
	packages, files := map[string]bool{}, map[string]bool{}
	for _, f := range sources(t) {
		packages[f.pkg], files[f.path] = true, true
	}
	for _, l := range table {
		found := packages[l.pkg]
		for pkg := range packages {
			found = found || match(l.pkg, pkg)
		}
		if !found {
			t.Errorf("the table has a line for %s, which is not there", l.pkg)
		}
		if l.why == "" {
			t.Errorf("the line for %s has no reason", l.pkg)
		}
	}
	for name := range calls {
		if !files[name] {
			t.Errorf("calls has a line for %s, which is not there", name)
		}
	}
}

func find(lines []line, pkg string) (line, bool) {
	for _, l := range lines {
		if match(l.pkg, pkg) {
			return l, true
		}
	}
	return line{}, false
}

func allowed(pkg, may string) bool {
	for _, pattern := range strings.Fields(may) {
		if pattern == "*" || match(pattern, pkg) {
			return true
		}
	}
	return false
}

func match(pattern, pkg string) bool {
	ok, err := path.Match(pattern, pkg)
	return ok && err == nil
}
