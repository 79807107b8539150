-- User and key together identify a preference. With that as the primary key
-- the table needs no number of its own, and one text serves both engines;
-- its index also answers "all preferences of a user".
CREATE TABLE user_preferences (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    preference_key VARCHAR(100) NOT NULL,
    preference_value TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (user_id, preference_key)
);
