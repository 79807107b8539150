-- The name up to its first blank is the first name, the rest the last name.
-- instr() is SQLite's alone and strpos() PostgreSQL's, but ltrim(a, b) works
-- on both: it strips leading characters of a that occur in b. With all
-- characters but the blank as b, what is left starts at the first blank.
ALTER TABLE users ADD COLUMN first_name VARCHAR(100);
ALTER TABLE users ADD COLUMN last_name VARCHAR(100);

-- Names are trimmed as well, so the originals are kept.
ALTER TABLE users ADD COLUMN original_name VARCHAR(100);

UPDATE users SET original_name = name, name = trim(name);

UPDATE users
SET first_name = substr(name, 1, length(name)
                        - length(ltrim(name, replace(name, ' ', '')))),
    last_name = trim(ltrim(name, replace(name, ' ', '')));
