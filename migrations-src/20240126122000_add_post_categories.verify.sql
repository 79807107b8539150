-- A post may be without a category, but not in one that does not exist.
SELECT p.id, p.category_id
FROM posts AS p
WHERE p.category_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM categories AS c WHERE c.id = p.category_id);
