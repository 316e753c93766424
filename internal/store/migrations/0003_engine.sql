-- machine is account/region/kind/key. Instants are microseconds since 1970.
CREATE TABLE engine_sessions (
	id {{text}} PRIMARY KEY,
	expires_at BIGINT NOT NULL
);
-- An event stays for a while after its turn (turned_at), so that the same id counts once.
CREATE TABLE engine_inbox (
	seq {{serial}},
	machine {{text}} NOT NULL,
	event_id {{text}} NOT NULL,
	name {{text}} NOT NULL,
	at BIGINT NOT NULL,
	body TEXT NOT NULL,
	turned_at BIGINT NOT NULL DEFAULT 0,
	parked BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX engine_inbox_once ON engine_inbox (machine, event_id);
CREATE INDEX engine_inbox_next ON engine_inbox (machine, seq) WHERE turned_at = 0 AND parked = 0;
CREATE INDEX engine_inbox_by_age ON engine_inbox (turned_at) WHERE turned_at > 0;
-- Effects and timers (do = '') not done yet. session owns an effect while it lives.
CREATE TABLE engine_effects (
	seq {{serial}},
	machine {{text}} NOT NULL,
	name {{text}} NOT NULL,
	"do" {{text}} NOT NULL,
	body TEXT NOT NULL,
	due BIGINT NOT NULL,
	attempt BIGINT NOT NULL DEFAULT 0,
	session {{text}} NOT NULL,
	parked BIGINT NOT NULL DEFAULT 0,
	problem TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX engine_effects_by_name ON engine_effects (machine, name);
CREATE INDEX engine_effects_due ON engine_effects (due) WHERE due > 0 AND parked = 0;
