-- Orphans: posts whose author does not exist. SQLite can grow them, since a
-- connection has to ask for foreign keys. NOT EXISTS, because NOT IN finds
-- nothing at all as soon as a NULL is among the values.
SELECT p.id, p.user_id
FROM posts AS p
WHERE NOT EXISTS (SELECT 1 FROM users AS u WHERE u.id = p.user_id);
