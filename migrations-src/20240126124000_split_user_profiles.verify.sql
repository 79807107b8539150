SELECT p.user_id
FROM profiles AS p
WHERE NOT EXISTS (SELECT 1 FROM users AS u WHERE u.id = p.user_id);
