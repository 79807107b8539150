-- The table takes its indexes along.
-- No IF EXISTS: a table that is missing here is a fault worth hearing of.
DROP TABLE users;
