-- A postal address as the JSON text that a form sent:
--     {"street": "...", "city": "...", "postcode": "...", "country": "DE", "floor": 3}
-- in which each member may be missing. Quick to add, hard to query: the next
-- migration makes columns of it.
ALTER TABLE profiles ADD COLUMN address TEXT;
