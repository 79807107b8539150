-- The name up to its first blank is the first name, the rest the last name.
-- instr() is SQLite's alone and strpos() PostgreSQL's, but ltrim(a, b) works
-- on both: it strips leading characters of a that occur in b. With all
-- characters but the blank as b, what is left starts at the first blank.
ALTER TABLE users ADD COLUMN first_name VARCHAR(100);
ALTER TABLE users ADD COLUMN last_name VARCHAR(100);

-- Names are trimmed as well, so the originals are kept.
ALTER TABLE users ADD COLUMN original_name VARCHAR(100);

UPDATE users
SET original_name = users.name,
    name = t.name,
    first_name = substr(t.name, 1, length(t.name)
                        - length(ltrim(t.name, replace(t.name, ' ', '')))),
    last_name = trim(ltrim(t.name, replace(t.name, ' ', '')))
FROM (SELECT id, trim(name) AS name FROM users) AS t
WHERE t.id = users.id;
