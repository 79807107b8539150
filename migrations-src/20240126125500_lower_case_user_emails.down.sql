-- An address that was changed since is newer than the original, and stays.
UPDATE users
SET email = o.email
FROM user_email_originals AS o
WHERE o.user_id = users.id AND lower(o.email) = users.email;

DROP TABLE user_email_originals;
