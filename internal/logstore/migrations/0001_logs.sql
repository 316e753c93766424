-- A stream's lines are numbered from 0 in the order they were stored.
CREATE TABLE log_streams (
	id {{serial}},
	account {{text}} NOT NULL,
	region {{text}} NOT NULL,
	log_group {{text}} NOT NULL,
	name {{text}} NOT NULL,
	created_at BIGINT NOT NULL,
	closed_at BIGINT NOT NULL DEFAULT 0,
	next BIGINT NOT NULL DEFAULT 0,
	first_at BIGINT NOT NULL DEFAULT 0,
	last_at BIGINT NOT NULL DEFAULT 0,
	bytes BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX log_streams_by_name ON log_streams (account, region, log_group, name);
-- What each producer of a stream has been acknowledged.
CREATE TABLE log_producers (
	stream BIGINT NOT NULL,
	producer {{text}} NOT NULL,
	next BIGINT NOT NULL,
	PRIMARY KEY (stream, producer)
);
-- lines is JSON, [[microseconds, text], …]; packed ones are compressed with zstd.
CREATE TABLE log_batches (
	stream BIGINT NOT NULL,
	first BIGINT NOT NULL,
	count BIGINT NOT NULL,
	first_at BIGINT NOT NULL,
	last_at BIGINT NOT NULL,
	packed BIGINT NOT NULL,
	lines {{bytes}} NOT NULL,
	PRIMARY KEY (stream, first)
);
