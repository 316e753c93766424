-- The first answer of every change made with a key, kept so that a repeat gets it again.
CREATE TABLE receipts (
	"key" {{text}} PRIMARY KEY,
	answer {{bytes}} NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX receipts_by_age ON receipts (created_at);
