-- Last added, first dropped. What was stored in these columns goes with them:
-- the schema before had no place for it.
ALTER TABLE users DROP COLUMN username;
ALTER TABLE users DROP COLUMN email_verified;
ALTER TABLE users DROP COLUMN phone;
