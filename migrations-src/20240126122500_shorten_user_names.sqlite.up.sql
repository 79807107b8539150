-- VARCHAR(255) becomes VARCHAR(100). SQLite cannot change a column in place,
-- so the table is built anew: create, copy, drop, rename, index again.
-- The host does the rest of the procedure: it turns foreign keys off before
-- the transaction (with them on, DROP TABLE would delete the preferences of
-- every user by cascade) and checks them before it commits.
--
-- SQLite does not enforce the length in a type; the CHECK does. A name that
-- is too long stops the migration, as it does on PostgreSQL: cutting it
-- would lose data that no rollback brings back.
CREATE TABLE users_new (
    id INTEGER PRIMARY KEY,
    name VARCHAR(100) NOT NULL CHECK (length(name) <= 100),
    email VARCHAR(255) NOT NULL,
    password VARCHAR(255) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ,
    phone VARCHAR(20),
    email_verified BOOLEAN NOT NULL DEFAULT FALSE,
    username VARCHAR(50),
    status VARCHAR(20) NOT NULL DEFAULT 'active'
);

-- Columns by name: by position a copy breaks, or mixes up values silently,
-- when the two tables differ.
INSERT INTO users_new (id, name, email, password, created_at, updated_at,
                       phone, email_verified, username, status)
SELECT id, name, email, password, created_at, updated_at,
       phone, email_verified, username, status
FROM users;

-- The old table takes its indexes along: all of them come back below.
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;

CREATE UNIQUE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_created_at ON users (created_at);
CREATE INDEX idx_users_status ON users (status);
