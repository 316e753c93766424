-- Blobs that are there, and who names them. touched_at is the last put or release:
-- a blob without a hold is collected a day after it.
CREATE TABLE blobs (
	digest {{text}} PRIMARY KEY,
	size BIGINT NOT NULL,
	touched_at BIGINT NOT NULL
);
CREATE TABLE blob_holds (
	digest {{text}} NOT NULL,
	owner {{text}} NOT NULL,
	PRIMARY KEY (digest, owner)
);
CREATE INDEX blobs_by_age ON blobs (touched_at);
