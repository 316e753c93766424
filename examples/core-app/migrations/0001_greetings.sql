CREATE TABLE greetings (id serial PRIMARY KEY, text text NOT NULL);
CREATE TABLE visits (id bigserial PRIMARY KEY, visitor text NOT NULL, at timestamptz NOT NULL DEFAULT now());
INSERT INTO greetings (text) VALUES ('Hello from the database.');
