SELECT id, email FROM users WHERE email <> lower(email);

-- An original without its user would hand its address to the next user
-- who gets the same id.
SELECT o.user_id
FROM user_email_originals AS o
WHERE NOT EXISTS (SELECT 1 FROM users AS u WHERE u.id = o.user_id);
