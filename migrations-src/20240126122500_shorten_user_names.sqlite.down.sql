-- The same rebuild, back to 255. The later columns are added by ALTER TABLE,
-- as their own migrations did: SQLite keeps the text of its statements, and
-- so the stored schema is again the one from before.
CREATE TABLE users_new (
    id INTEGER PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    email VARCHAR(255) NOT NULL,
    password VARCHAR(255) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ
);
ALTER TABLE users_new ADD COLUMN phone VARCHAR(20);
ALTER TABLE users_new ADD COLUMN email_verified BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users_new ADD COLUMN username VARCHAR(50);
ALTER TABLE users_new ADD COLUMN status VARCHAR(20) NOT NULL DEFAULT 'active';

INSERT INTO users_new (id, name, email, password, created_at, updated_at,
                       phone, email_verified, username, status)
SELECT id, name, email, password, created_at, updated_at,
       phone, email_verified, username, status
FROM users;

DROP TABLE users;
ALTER TABLE users_new RENAME TO users;

CREATE UNIQUE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_created_at ON users (created_at);
CREATE INDEX idx_users_status ON users (status);
