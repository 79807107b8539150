-- The index first: SQLite refuses to drop a column that is indexed.
BEGIN;

DROP INDEX idx_users_status;
ALTER TABLE users DROP COLUMN status;

COMMIT;
