-- Indexes and references stay. A name longer than 100 characters is an error
-- here; with USING and a cast it would be cut without a word.
ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(100);
