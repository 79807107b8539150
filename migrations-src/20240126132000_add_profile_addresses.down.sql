ALTER TABLE profiles DROP COLUMN address;
