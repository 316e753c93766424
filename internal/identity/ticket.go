package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/penstock-ci/penstock/internal/op"
	"github.com/penstock-ci/penstock/internal/store"
)

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Ticket is what a container gets instead of credentials: the right to fetch
// them, again and again, until it ends.
type Ticket struct {
	RoleARN string    `json:"r"`
	Session string    `json:"s"`
	Service string    `json:"v"` // whom the role must trust: ecs-tasks.amazonaws.com, codebuild.amazonaws.com
	Expires time.Time `json:"e"`
}

// Tickets seals and redeems them; there are no rows.
type Tickets struct{ authority *Authority }

// Tickets of this authority.
func (a *Authority) Tickets() Tickets { return Tickets{a} }

// TicketPath is where AWS_CONTAINER_CREDENTIALS_RELATIVE_URI points.
const TicketPath = "/v2/credentials/"

// ticketLife is AWS's: credentials of tasks last six hours, SDKs fetch new ones before.
const ticketLife = 6 * time.Hour

// Seal is the ticket as it stands in a URL: TicketPath + Seal(t).
func (t Tickets) Seal(k Ticket) (string, error) {
	b, err := json.Marshal(k)
	if err != nil {
		return "", err
	}
	sealed, err := t.authority.Keys.Seal("ticket", b)
	if err != nil {
		return "", fmt.Errorf("seal credential ticket: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// errTicket is a ticket that never was ours or has ended.
var errTicket = errors.New("credential ticket is unknown or has ended")

// Redeem mints credentials for a ticket. The role must still exist and trust the service.
func (t Tickets) Redeem(ctx context.Context, ticket string) (Ticket, Credentials, error) {
	var k Ticket
	sealed, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		return k, Credentials{}, errTicket
	}
	b, err := t.authority.Keys.Open("ticket", sealed)
	if err != nil || json.Unmarshal(b, &k) != nil {
		return k, Credentials{}, errTicket
	}
	now := t.authority.Clock.Now()
	if !k.Expires.IsZero() && !now.Before(k.Expires) {
		return k, Credentials{}, errTicket
	}
	var c Credentials
	err = t.authority.DB.View(ctx, func(ctx context.Context, r store.Reader) error {
		if err := t.authority.Trusts(ctx, r, k.RoleARN, k.Service); err != nil {
			return err
		}
		role, err := t.authority.findRole(ctx, r, k.RoleARN)
		if err != nil {
			return err
		}
		c, err = t.authority.Keys.Mint(RoleSession(role, k.Session), now, ticketLife)
		return err
	})
	return k, c, err
}

// ServeHTTP answers GET /v2/credentials/TICKET as ECS's agent does.
func (t Tickets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ticket, ok := strings.CutPrefix(r.URL.Path, TicketPath)
	if !ok || r.Method != http.MethodGet {
		t.refuse(w, r, http.StatusBadRequest, "InvalidRequest", "CredentialsV2Request: credentials are at GET "+TicketPath+"<ticket>")
		return
	}
	k, c, err := t.Redeem(r.Context(), ticket)
	var refused *op.Error
	switch {
	case errors.Is(err, errTicket):
		t.refuse(w, r, http.StatusBadRequest, "InvalidIdInRequest", "CredentialsV2Request: Credentials not found")
	case errors.As(err, &refused):
		t.refuse(w, r, http.StatusForbidden, refused.Code, refused.Message)
	case err != nil:
		t.authority.Log.ErrorContext(r.Context(), "container credentials", slog.Any("error", err))
		t.refuse(w, r, http.StatusInternalServerError, "InternalServerError", "CredentialsV2Request: credentials could not be made; see the server's log")
	default:
		t.answer(w, r, http.StatusOK, map[string]string{
			"RoleArn": k.RoleARN, "AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.Secret, "Token": c.Token,
			"Expiration": c.Expires.UTC().Format(time.RFC3339),
		})
	}
}

func (t Tickets) refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	t.answer(w, r, status, map[string]any{"code": code, "message": message, "HTTPErrorCode": status})
}

func (t Tickets) answer(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		t.authority.Log.DebugContext(r.Context(), "container credentials were not taken", slog.Any("error", err))
	}
}
