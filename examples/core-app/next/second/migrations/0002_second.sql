ALTER TABLE greetings ADD COLUMN language text NOT NULL DEFAULT 'en';
INSERT INTO greetings (text) VALUES ('Hello again, from a migrated database.');
