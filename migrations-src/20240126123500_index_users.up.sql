-- mig: mode = durable
--
-- Each index is a step that commits by itself, so that locks are held for one
-- index at a time, and an interrupted run goes on with the next one.
CREATE INDEX idx_users_name ON users (name);
CREATE INDEX idx_users_status_created ON users (status, created_at);

-- Many users may have no name of this kind: NULL is never a duplicate.
CREATE UNIQUE INDEX idx_users_username ON users (username);
