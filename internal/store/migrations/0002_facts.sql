-- Facts in the order in which they became certain: xid is the writing transaction's
-- number where several may be open at once, 0 where there is one writer.
CREATE TABLE facts (
	seq {{serial}},
	xid BIGINT NOT NULL,
	id {{text}} NOT NULL,
	account {{text}} NOT NULL,
	region {{text}} NOT NULL,
	source {{text}} NOT NULL,
	detail_type {{text}} NOT NULL,
	resources TEXT NOT NULL,
	detail TEXT NOT NULL,
	at BIGINT NOT NULL
);
CREATE INDEX facts_by_certainty ON facts (xid, seq);
CREATE INDEX facts_by_age ON facts (at);
CREATE TABLE fact_cursors (
	consumer {{text}} PRIMARY KEY,
	xid BIGINT NOT NULL,
	seq BIGINT NOT NULL
);
