-- The shared secret of one-time passwords (RFC 6238), 20 bytes, which the
-- application has to read: hashing it, as is done with passwords, will not do.
CREATE TABLE user_totp (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret BYTEA NOT NULL
);

-- Every user of today gets one; it counts from the first time it is shown. Two
-- random UUIDs hold 244 random bits, and need no extension.
INSERT INTO user_totp (user_id, secret)
SELECT id, substring(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
                     FROM 1 FOR 20)
FROM users;
