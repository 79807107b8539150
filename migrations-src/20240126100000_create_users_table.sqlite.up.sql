-- The name is quoted because that is how SQLite stores a table's name after
-- ALTER TABLE ... RENAME: a later rebuild and its rollback then leave this
-- very text behind, and two schema dumps can be compared byte for byte.
-- No AUTOINCREMENT: it would leave the table sqlite_sequence behind for good.
CREATE TABLE "users" (
    id INTEGER PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    email VARCHAR(255) NOT NULL,
    password VARCHAR(255) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMPTZ
);

-- One unique index, instead of UNIQUE on the column and a second index.
CREATE UNIQUE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_created_at ON users (created_at);
