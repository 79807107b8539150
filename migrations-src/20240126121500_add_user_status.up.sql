-- A file that is wholly BEGIN ... COMMIT, as many are written by hand. The
-- host takes both as its own: the file and its history row share one
-- transaction. No UPDATE is needed, the default fills the existing rows.
BEGIN;

ALTER TABLE users ADD COLUMN status VARCHAR(20) NOT NULL DEFAULT 'active';
CREATE INDEX idx_users_status ON users (status);

COMMIT;
