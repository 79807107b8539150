-- mig: foreign_keys = on
--
-- Rows that a migration adds are told apart from rows that were there before
-- by writing down which they are. Names alone do not tell: somebody may have
-- had a category 'Technology' already, with posts in it.
CREATE TABLE default_categories (
    name VARCHAR(100) NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    category_id BIGINT REFERENCES categories (id) ON DELETE CASCADE
);
CREATE TABLE default_category_posts (
    post_id BIGINT NOT NULL PRIMARY KEY REFERENCES posts (id) ON DELETE CASCADE,
    category_id BIGINT NOT NULL REFERENCES categories (id) ON DELETE CASCADE
);

INSERT INTO default_categories (name, description) VALUES
    ('Technology', 'Technology-related posts'),
    ('Lifestyle', 'Lifestyle and personal posts'),
    ('Business', 'Business and entrepreneurship');

DELETE FROM default_categories WHERE name IN (SELECT name FROM categories);

INSERT INTO categories (name, description)
SELECT name, description FROM default_categories ORDER BY name;

UPDATE default_categories
SET category_id = (SELECT c.id FROM categories AS c
                   WHERE c.name = default_categories.name);

INSERT INTO default_category_posts (post_id, category_id)
SELECT p.id, c.id
FROM posts AS p CROSS JOIN categories AS c
WHERE p.category_id IS NULL AND c.name = 'Technology';

UPDATE posts
SET category_id = (SELECT id FROM categories WHERE name = 'Technology')
WHERE category_id IS NULL;
