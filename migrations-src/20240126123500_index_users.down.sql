-- mig: mode = durable
DROP INDEX idx_users_username;
DROP INDEX idx_users_status_created;
DROP INDEX idx_users_name;
