#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Folders written for other tools, in the three kinds of names that they use,
# hundreds of files each: applied as they are, rolled back, and a mistake in one
# of them is told at its line. The texts are what people put into migrations,
# turn and turn about; %n is the file's number, so that each is its own.
# shellcheck source=tests/cli/lib.sh.inc
. "$(dirname "$0")/lib.sh.inc"
# shellcheck source=tests/cli/engines.sh.inc
. "$here/engines.sh.inc"

readonly FILES=210
readonly WRONG=137 # the number of the file that gets the mistake

# --- what strangers write ----------------------------------------------------------

texts_of_postgres()
{
    cat <<'TEXT'
==up
-- Users; the "main" table (don't rename!)
CREATE TABLE IF NOT EXISTS users_%n (
    id BIGSERIAL PRIMARY KEY,
    email TEXT NOT NULL UNIQUE CHECK (email LIKE '%@%'),
    data JSONB NOT NULL DEFAULT '{"a": "x; -- y"}'::jsonb,
    full_name TEXT GENERATED ALWAYS AS (upper(email)) STORED,
    created_at TIMESTAMPTZ DEFAULT now()
);
COMMENT ON TABLE users_%n IS 'It''s; the -- users';
CREATE INDEX idx_users_%n_data ON users_%n USING gin (data);
==down
DROP TABLE users_%n;
==up
CREATE TYPE mood_%n AS ENUM ('sad', 'so;so', 'it''s ok');
CREATE DOMAIN code_%n AS TEXT CHECK (VALUE ~ '^[a-z;]+$');
CREATE TABLE person_%n (name TEXT, current_mood mood_%n, code code_%n);
==down
DROP TABLE person_%n; DROP DOMAIN code_%n; DROP TYPE mood_%n;
==up
CREATE TABLE audit_%n (id INTEGER, changed TIMESTAMPTZ);
CREATE OR REPLACE FUNCTION touch_%n() RETURNS trigger AS $body$
DECLARE
    note TEXT := '; -- not a comment';
BEGIN
    /* BEGIN; COMMIT; */
    IF TG_OP = 'UPDATE' THEN
        NEW.changed := now();
    END IF;
    RETURN NEW;
END;
$body$ LANGUAGE plpgsql;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON audit_%n
    FOR EACH ROW EXECUTE FUNCTION touch_%n();
==down
DROP TRIGGER touch ON audit_%n;
DROP FUNCTION touch_%n();
DROP TABLE audit_%n;
==up
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_class WHERE relname = 'made_%n') THEN
        EXECUTE $sql$CREATE TABLE made_%n (id INTEGER, note TEXT DEFAULT $t$;$t$)$sql$;
    END IF;
    FOR i IN 1..3 LOOP INSERT INTO made_%n (id) VALUES (i); END LOOP;
EXCEPTION WHEN division_by_zero THEN
    RAISE NOTICE 'never; %', 1;
END $$;
==down
DROP TABLE IF EXISTS made_%n CASCADE;
==up
CREATE TABLE events_%n (at DATE NOT NULL, what TEXT) PARTITION BY RANGE (at);
CREATE TABLE events_%n_a PARTITION OF events_%n FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_%n_rest PARTITION OF events_%n DEFAULT;
INSERT INTO events_%n VALUES ('2024-05-05', E'it\'s; here'), ('1999-01-01', $$old; one$$);
==down
DROP TABLE events_%n;
==up
BEGIN;

CREATE TABLE accounts_%n (id INTEGER PRIMARY KEY, owner NAME DEFAULT current_user, open BOOLEAN);
ALTER TABLE accounts_%n ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON accounts_%n USING (owner = current_user) WITH CHECK (open);
GRANT SELECT (id), UPDATE ON accounts_%n TO PUBLIC;

COMMIT;
==down
BEGIN;
REVOKE ALL ON accounts_%n FROM PUBLIC;
DROP POLICY mine ON accounts_%n;
DROP TABLE accounts_%n;
COMMIT;
==up
CREATE TABLE stock_%n (id INTEGER PRIMARY KEY, amount NUMERIC(10, 2), gone BOOLEAN DEFAULT FALSE);
CREATE VIEW in_stock_%n AS SELECT id, amount FROM stock_%n WHERE NOT gone;
CREATE RULE keep AS ON DELETE TO stock_%n DO INSTEAD (
    UPDATE stock_%n SET gone = TRUE WHERE id = OLD.id;
    UPDATE stock_%n SET amount = 0 WHERE id = OLD.id
);
CREATE MATERIALIZED VIEW total_%n AS SELECT sum(amount) FROM stock_%n WITH NO DATA;
==down
DROP MATERIALIZED VIEW total_%n; DROP VIEW in_stock_%n; DROP TABLE stock_%n;
==up
CREATE FUNCTION double_%n(x INTEGER) RETURNS INTEGER
    LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT CASE WHEN x IS NULL THEN 0 ELSE 2 * x END;
END;
CREATE FUNCTION old_style_%n(TEXT, OUT a TEXT, OUT b TEXT) AS
'SELECT split_part($1, '';'', 1), split_part($1, '';'', 2)' LANGUAGE sql;
CREATE PROCEDURE clean_%n() LANGUAGE plpgsql AS $p$ BEGIN PERFORM 1; END $p$;
CALL clean_%n();
==down
DROP PROCEDURE clean_%n;
DROP FUNCTION old_style_%n(TEXT);
DROP FUNCTION double_%n;
==up
CREATE EXTENSION IF NOT EXISTS %extension;
CREATE SCHEMA IF NOT EXISTS "App Schema";
CREATE TABLE "App Schema"."Odd; Table_%n" ("select" INTEGER, "a""b" TEXT);
==down
DROP TABLE "App Schema"."Odd; Table_%n";
==up
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_base_%n ON base (a, (b || ';'));
==down
DROP INDEX CONCURRENTLY IF EXISTS idx_base_%n;
==up
--
-- PostgreSQL database dump
--
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;

CREATE SEQUENCE public.numbers_%n START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
CREATE TABLE public.dumped_%n (id INTEGER DEFAULT nextval('public.numbers_%n'::regclass));
ALTER SEQUENCE public.numbers_%n OWNED BY public.dumped_%n.id;
/* nested /* comment; */ with */
ALTER TABLE ONLY public.dumped_%n ADD CONSTRAINT dumped_%n_key UNIQUE (id);
==down
DROP TABLE public.dumped_%n;
==up
ALTER TABLE base ADD COLUMN c%n TEXT;
UPDATE base SET c%n = 'x' WHERE a > 0;
CREATE UNIQUE INDEX CONCURRENTLY_%n ON base (a, c%n);
ALTER TABLE base ALTER COLUMN c%n SET NOT NULL;
==down
ALTER TABLE base DROP COLUMN c%n
==up
SET lock_timeout = '10s';
BEGIN;
CREATE TABLE waited_%n (a INTEGER);
COMMIT;
RESET lock_timeout;
==down
DROP TABLE waited_%n;
==up
-- two that no transaction can hold

DROP INDEX CONCURRENTLY IF EXISTS idx_again_%n;
CREATE UNIQUE INDEX CONCURRENTLY idx_again_%n ON base (a) WHERE b <> ';';
==down
DROP INDEX CONCURRENTLY idx_again_%n; -- gone
TEXT
}

texts_of_sqlite()
{
    cat <<'TEXT'
==up
-- Users; the "main" table (don't rename!)
CREATE TABLE IF NOT EXISTS users_%n (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE CHECK (email LIKE '%@%'),
    loud TEXT GENERATED ALWAYS AS (upper(email)) VIRTUAL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_users_%n_email ON users_%n (email) WHERE email <> ';';
==down
DROP TABLE users_%n;
==up
CREATE TABLE audit_%n (id INTEGER PRIMARY KEY, changed TEXT);
CREATE TABLE audit_%n_log (what TEXT);
CREATE TRIGGER touch_%n AFTER UPDATE ON audit_%n
WHEN OLD.changed IS NOT NEW.changed
BEGIN
    INSERT INTO audit_%n_log VALUES ('begin; commit; end;');
    -- nobody ends; here
    UPDATE audit_%n_log SET what = CASE WHEN what = ';' THEN 'END' ELSE what END;
END;
INSERT INTO audit_%n (changed) VALUES ('a;b');
==down
DROP TRIGGER touch_%n; DROP TABLE audit_%n_log; DROP TABLE audit_%n
==up
PRAGMA foreign_keys = OFF;

BEGIN TRANSACTION;
CREATE TABLE parts_%n (id INTEGER PRIMARY KEY, base INTEGER REFERENCES base (a));
INSERT INTO parts_%n VALUES (1, 1);
CREATE TABLE parts_%n_new (id INTEGER PRIMARY KEY, base INTEGER REFERENCES base (a), note TEXT);
INSERT INTO parts_%n_new (id, base) SELECT id, base FROM parts_%n;
DROP TABLE parts_%n;
ALTER TABLE parts_%n_new RENAME TO parts_%n;
PRAGMA foreign_key_check;
COMMIT;

PRAGMA foreign_keys = ON;
==down
DROP TABLE parts_%n;
==up
BEGIN TRANSACTION;
CREATE TABLE rebuilt_%n (id INTEGER PRIMARY KEY, name VARCHAR(50));
INSERT INTO rebuilt_%n (name) VALUES ('it''s'), ('x' || 1);
CREATE TABLE rebuilt_%n_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
INSERT INTO rebuilt_%n_new SELECT * FROM rebuilt_%n;
DROP TABLE rebuilt_%n;
ALTER TABLE rebuilt_%n_new RENAME TO rebuilt_%n;
COMMIT;
==down
BEGIN;
DROP TABLE rebuilt_%n;
END;
==up
CREATE VIEW seen_%n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
SELECT i, '/* ; */' AS note FROM n;
CREATE TABLE [odd; table_%n] (`back;tick` INTEGER, "quo""ted" TEXT);
==down
DROP VIEW seen_%n;
DROP TABLE "odd; table_%n";
==up
VACUUM;
==down
-- nothing to undo
==up
ALTER TABLE base ADD COLUMN c%n TEXT;
UPDATE base SET c%n = 'x';
CREATE UNIQUE INDEX base_%n ON base (a, c%n);
INSERT INTO base (a, b) SELECT MAX(a) + 1, NULL FROM base WHERE true ON CONFLICT DO NOTHING;
==down
DROP INDEX base_%n;
DELETE FROM base WHERE a = (SELECT MAX(a) FROM base);
ALTER TABLE base DROP COLUMN c%n;
TEXT
}

# --- the folder -----------------------------------------------------------------------

# number_of N: as the naming at hand writes it.
number_of()
{
    # shellcheck disable=SC2059
    printf "$1" "$2"
}

# write_folder FORMAT: ./migrations full of files whose numbers look like that.
write_folder()
{
    rm -rf migrations
    mkdir migrations
    "texts_of_$engine" | awk -v files=$FILES -v format="$1" -v extension="$extension" '
        /^==/ { part = substr($0, 3); count += part == "up"; next }
        { text[part, count] = text[part, count] $0 "\n" }
        END {
            for (n = 2; n <= files; n++)
                for (i = 0; i < 2; i++) {
                    part = i ? "down" : "up"
                    body = text[part, n % count + 1]
                    gsub(/%n/, n, body)
                    gsub(/%extension/, extension, body)
                    file = sprintf("migrations/" format "_what_they-did." part ".sql", n)
                    printf "%s", body >file
                    close(file)
                }
        }'
    echo "CREATE TABLE base (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO base VALUES (1, 'one');" \
        >"migrations/$(number_of "$1" 1)_base.up.sql"
    echo "DROP TABLE base;" >"migrations/$(number_of "$1" 1)_base.down.sql"
}

# What is left besides the history.
left()
{
    if [[ $engine == sqlite ]]; then
        ask "SELECT name FROM sqlite_master WHERE tbl_name NOT LIKE '%mighost%' AND name NOT LIKE 'sqlite_%'"
    else
        ask "SELECT relname FROM pg_class WHERE relnamespace IN ('public'::regnamespace)
                 AND relname NOT LIKE 'mighost%' AND relkind IN ('r', 'v', 'm', 'S', 'p')
             UNION ALL SELECT typname FROM pg_type WHERE typtype IN ('e', 'd')
                 AND typnamespace = 'public'::regnamespace
             UNION ALL SELECT proname FROM pg_proc WHERE proname ~ '^(touch|double|old_style|clean)_'"
    fi
}

# there_and_back FORMAT: without a word of advice.
there_and_back()
{
    fresh "$engine"
    write_folder "$1"
    mig up
    expect_code 0
    expect "$engine: $1: said besides" "$(grep -v '^applied ' <<<"$err")" ""
    answer "SELECT COUNT(*) FROM mighost_history WHERE state = 'applied'" $FILES
    if [[ $engine == postgres ]]; then
        answer "SELECT count(*) FROM pg_index WHERE NOT indisvalid" 0
        answer "SELECT count(*) > 10 FROM pg_class WHERE relname LIKE 'idx_base_%'" t
    fi
    # Only what no transaction holds has run without one.
    answer "SELECT COUNT(*) FROM mighost_history WHERE mode = 'durable'" \
        "$(grep -lE '^(VACUUM|(CREATE|DROP) (UNIQUE )?INDEX CONCURRENTLY )' migrations/*.up.sql | wc -l)"
    mig status
    expect_code 0
    mig up
    expect_code 0
    mig down --all
    expect_code 0
    expect "$engine: $1: left behind" "$(left)" ""
}

# mistakes FORMAT: at their line, and what stands before them.
mistakes()
{
    local file

    fresh "$engine"
    write_folder "$1"
    file=$(number_of "$1" $WRONG)_what_they-did.up.sql
    printf 'CREATE TABLE wrong (a INTEGER);\n\n-- it comes; here\n  INSERT INTO wrong\n  VALEUS (1);\n' >"migrations/$file"
    mig up
    expect_code 1
    says "$file:5:3" "VALEUS (1);" "nothing of this migration is left"
    answer "SELECT COUNT(*) FROM mighost_history" $((WRONG - 1))
    answer "SELECT MAX(id) FROM mighost_history WHERE state = 'applied'" \
        "$(number_of "$1" $((WRONG - 1)) | sed 's/^0*//')"

    # What can be seen without a server is found before anything runs.
    printf 'CREATE TABLE wrong (a INTEGER);\nCOMMIT;\n' >"migrations/$file"
    mig up
    expect_code 5
    says "$file:2:1"
    answer "SELECT COUNT(*) FROM mighost_history" $((WRONG - 1))

    # Mixed with others, what no transaction holds is refused with advice.
    printf 'CREATE TABLE wrong (a INTEGER);\nVACUUM;\n' >"migrations/$file"
    mig up
    expect_code 1
    says "$file:2:1" "mode = durable"
    answer "SELECT COUNT(*) FROM mighost_history" $((WRONG - 1))

    printf 'CREATE TABLE mended (a INTEGER);\n' >"migrations/$file"
    mig up
    expect_code 0
    answer "SELECT COUNT(*) FROM mighost_history" $FILES
}

# A concurrent index that could not be built: said, kept in the journal, mended.
broken_index()
{
    clean
    printf 'CREATE TABLE t (a INTEGER);\nINSERT INTO t VALUES (1), (1);\n' >migrations/000001_t.up.sql
    printf -- '-- a comment\nCREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a);\n' >migrations/000002_i.up.sql
    echo 'CREATE TABLE later (a INTEGER);' >migrations/000003_later.up.sql
    mig up
    expect_code 7
    says "000002_i.up.sql:2:" 23505
    history_is "000001:applied 000002:partial"
    ask "UPDATE t SET a = 2 WHERE ctid = (SELECT max(ctid) FROM t)"
    mig up
    expect_code 0
    history_is "000001:applied 000002:applied 000003:applied"
    answer "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass" t

    # Mended by doing without it: it goes on as it was begun.
    printf 'CREATE INDEX CONCURRENTLY t_b ON t (nowhere);\n' >migrations/000004_b.up.sql
    mig up
    expect_code 7
    echo 'CREATE TABLE b (a INTEGER);' >migrations/000004_b.up.sql
    mig up
    expect_code 5
    says "resolve ID --retry"
    mig resolve 4 --retry
    expect_code 0
    mig up
    expect_code 0
    history_is "000001:applied 000002:applied 000003:applied 000004:applied"
}

extension=plpgsql
if [[ -n ${MIGHOST_TEST_PG:-} ]]; then
    extension=$(psql -qXAt "$MIGHOST_TEST_PG" -c "SELECT name FROM pg_available_extensions
        WHERE name IN ('citext', 'pgcrypto', 'plpgsql') ORDER BY name LIMIT 1")
fi
for each in $(engines); do
    engine=$each
    there_and_back %06d
    there_and_back %d
    there_and_back 202401261%05d
    mistakes %d
done
if [[ $engine == postgres ]]; then
    broken_index
fi
finish
