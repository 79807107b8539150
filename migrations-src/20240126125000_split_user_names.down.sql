-- A name whose parts were edited since is put together from them. Parts that
-- still are what the split makes of the original leave the name alone:
-- joining them would turn two blanks between them into one.
UPDATE users
SET name = trim(first_name || ' ' || coalesce(last_name, ''))
FROM (SELECT id, trim(original_name) AS name FROM users) AS o
WHERE o.id = users.id
  AND (first_name <> substr(o.name, 1, length(o.name)
                            - length(ltrim(o.name, replace(o.name, ' ', ''))))
       OR last_name <> trim(ltrim(o.name, replace(o.name, ' ', ''))));

-- The blanks around a name come back, unless it has become another name.
UPDATE users
SET name = original_name
WHERE name = trim(original_name) AND name <> original_name;

ALTER TABLE users DROP COLUMN original_name;
ALTER TABLE users DROP COLUMN last_name;
ALTER TABLE users DROP COLUMN first_name;
