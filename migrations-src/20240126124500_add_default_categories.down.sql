-- mig: foreign_keys = on
--
-- Posts that got the default category lose it, unless they were moved since.
UPDATE posts
SET category_id = NULL
WHERE EXISTS (SELECT 1 FROM default_category_posts AS d
              WHERE d.post_id = posts.id
                AND d.category_id = posts.category_id);

-- Exactly the categories that were added go. One in which somebody has filed
-- posts of their own stays: deleting it would change those posts.
DELETE FROM categories
WHERE id IN (SELECT category_id FROM default_categories)
  AND NOT EXISTS (SELECT 1 FROM posts WHERE posts.category_id = categories.id);

DROP TABLE default_category_posts;
DROP TABLE default_categories;
