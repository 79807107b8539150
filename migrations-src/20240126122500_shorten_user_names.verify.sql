SELECT id, length(name) AS name_length FROM users WHERE length(name) > 100;
