package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"
)

type statusCmd struct{ output }

func (cmd *statusCmd) Run(ctx context.Context, c *cli) error {
	server, err := c.server()
	if err != nil {
		return err
	}
	s, err := server.Status(ctx)
	if err != nil {
		return err
	}
	return cmd.print(s, func() {
		fmt.Printf("installation %s in %s\n", s.Installation, s.Data)
		fmt.Printf("server       process %d since %s, %s\n", s.PID, s.Started.Local().Format(time.DateTime), s.Endpoint)
		fmt.Printf("data plane   %s; sites at http://NAME.%s/\n", s.DataPlane, s.Site)
		w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "\nPOD\tPHASE\tADDRESS\tOWNER")
		for _, p := range s.Pods {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, p.Phase, p.Address, p.Owner)
		}
		w.Flush()
		for _, a := range s.Alarms {
			fmt.Println("!", a)
		}
	})
}
