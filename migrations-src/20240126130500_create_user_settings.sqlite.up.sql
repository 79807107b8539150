-- What the application keeps of a user as one packed C struct:
--     'US', layout 1, theme; u16 rows a page, i16 minutes from UTC;
--     u32 seconds since 1970 of the last visit; all little-endian
CREATE TABLE user_settings (
    user_id BIGINT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    settings BLOB NOT NULL
);

-- Everybody begins with the defaults: the system's theme, 25 rows, UTC, no visit.
INSERT INTO user_settings (user_id, settings)
SELECT id, x'555301001900000000000000' FROM users;
