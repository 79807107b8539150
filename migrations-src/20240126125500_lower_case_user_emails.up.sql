-- Lower case cannot be undone, so the originals are kept beside.
-- Two addresses that differ only in case violate idx_users_email here, and
-- nothing is changed: which of the two accounts stays is for a person to say.
-- SQLite's lower() knows ASCII letters only.
CREATE TABLE user_email_originals (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    email VARCHAR(255) NOT NULL
);

INSERT INTO user_email_originals (user_id, email)
SELECT id, email FROM users WHERE email <> lower(email);

UPDATE users SET email = lower(email) WHERE email <> lower(email);
