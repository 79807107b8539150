ALTER TABLE users ADD COLUMN bio TEXT;
ALTER TABLE users ADD COLUMN avatar_url VARCHAR(255);
ALTER TABLE users ADD COLUMN website VARCHAR(255);

UPDATE users
SET bio = p.bio, avatar_url = p.avatar_url, website = p.website
FROM profiles AS p
WHERE p.user_id = users.id;

-- Only the time at which a profile was made is lost: users has no place for it.
DROP TABLE profiles;
