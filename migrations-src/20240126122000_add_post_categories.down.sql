DROP INDEX idx_posts_category_id;
ALTER TABLE posts DROP COLUMN category_id;
