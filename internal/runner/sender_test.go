package runner

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/penstock-ci/penstock/internal/clock"
	"github.com/penstock-ci/penstock/internal/runner/protocol"
)

// frozen is a clock on which nothing ever comes of age.
type frozen struct{ clock.System }

func (frozen) After(time.Duration) <-chan time.Time { return nil }

// The end of a build is not held back until its last lines come of age.
func TestTheEndIsSentAtOnce(t *testing.T) {
	t.Parallel()
	got := make(chan protocol.Sync, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in protocol.Sync
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ack := protocol.Ack{Lines: in.First + uint64(len(in.Lines))}
		for _, report := range in.Reports {
			ack.Reports = report.N + 1
		}
		got <- in
		json.NewEncoder(w).Encode(ack)
	}))
	t.Cleanup(server.Close)
	s := newSender(&client{base: server.URL, clock: frozen{}, http: server.Client()}, frozen{}, t.TempDir())
	go s.run(t.Context())
	s.spool.put(protocol.Line{Text: "first"})
	<-got // now it waits for more
	s.spool.put(protocol.Line{Text: "last"})
	s.report(protocol.Report{State: protocol.Succeeded})
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	last := <-got
	if len(last.Lines) != 1 || last.Lines[0].Text != "last" || len(last.Reports) != 1 {
		t.Errorf("the end came as %+v, want the last line and the report", last)
	}
}
