package process

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
)

// Options say where things are.
type Options struct {
	Run     string // folder of the unix sockets below
	State   string // folder of the last snapshot and health, kept over reboots
	Netns   string // folder of the namespace files: network.Place.Path(Netns)
	Serve   string // the server's unix socket for spliced connections
	Resolv  string // the host's resolv.conf, "" = /etc/resolv.conf
	Version string // of this binary, told to the server
	Clock   clock.Clock
	Log     *slog.Logger
	Hold    time.Duration // how long connections wait for the server; 0 = 60 s
}

// Control is the unix socket on which the process takes snapshots.
func (o Options) Control() string { return Control(o.Run) }

// Control is the socket of snapshots and reports in a folder.
func Control(run string) string { return filepath.Join(run, "dataplane.sock") }

// Sockets is the one on which it gives away its listening sockets.
func Sockets(run string) string { return filepath.Join(run, "dataplane-sockets.sock") }

// Holder is the server's, where the duplicates are.
func Holder(run string) string { return filepath.Join(run, "holder.sock") }

func (o Options) withDefaults() Options {
	if o.Resolv == "" {
		o.Resolv = "/etc/resolv.conf"
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Hold == 0 {
		o.Hold = time.Minute
	}
	return o
}
