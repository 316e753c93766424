// Penstock: AWS CodePipeline, CodeBuild and CodeDeploy, with the services they
// lean on, as one program on machines you own. See README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is every command; a field's file has its name.
type cli struct {
	Data string `help:"The data folder." default:"${data}" env:"PENSTOCK_DATA" placeholder:"DIR"`

	Serve         serveCmd         `cmd:"" help:"Run the server (the control plane); it starts the data plane if none answers."`
	Dataplane     dataplaneCmd     `cmd:"" help:"Run the data plane: names, credentials, AWS addresses, load balancers. It outlives the server."`
	Demo          demoCmd          `cmd:"" help:"Run the reference delivery: three commits, under load."`
	Bench         benchCmd         `cmd:"" help:"Measure what this machine gives: each figure beside its floor and its goal."`
	Setup         setupCmd         `cmd:"" help:"Install what this machine lacks: packages, Docker Engine, base images."`
	Doctor        doctorCmd        `cmd:"" help:"Check this machine, and say what to do about what it lacks."`
	Env           envCmd           `cmd:"" help:"Print the exports with which any AWS client reaches the server: eval \"$(penstock env)\"."`
	Exec          execCmd          `cmd:"" help:"Run one command with that environment: penstock exec aws s3 ls."`
	Status        statusCmd        `cmd:"" help:"Show what runs."`
	URL           urlCmd           `cmd:"" name:"url" help:"Print where this host reaches a load balancer."`
	Logs          logsCmd          `cmd:"" help:"Print a log group's lines; --follow goes on."`
	GitCredential gitCredentialCmd `cmd:"" name:"git-credential" help:"Git's credential helper for CodeCommit repositories on this server."`
	Mirror        mirrorCmd        `cmd:"" help:"Images that builds and tasks find under their own names without a network."`
	Uninstall     uninstallCmd     `cmd:"" help:"Remove what the running installation made on this machine; --yes removes its data, too."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("penstock"), kong.Vars{"data": defaultData(), "cache": defaultCache()},
		kong.Description("AWS CodePipeline, CodeBuild and their neighbours on machines you own."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err := k.Run(&c); err != nil {
		fmt.Fprintln(os.Stderr, "penstock:", err)
		os.Exit(exitCode(err))
	}
}
