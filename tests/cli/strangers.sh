#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Folders written for other tools, in the three kinds of names that they use,
# hundreds of files each: applied as they are, rolled back, and a mistake in one
# of them is told at its line. The texts are what people put into migrations,
# turn and turn about; %n is the file's number, so that each is its own. Then
# whole files as several tools write them, and what the engines dump themselves.
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

# --- as other tools write it ------------------------------------------------------------

# Each in the manner of one tool: its head, its comments, its quoting. A line
# `-- @` is where the mistake goes; a text without one has no room for it.
styles_of_postgres()
{
    cat <<'TEXT'
==up dumped_structure
--
-- PostgreSQL database dump
--

-- Dumped from database version 15.4 (Debian 15.4-1.pgdg120+1)
-- Dumped by pg_dump version 15.4 (Debian 15.4-1.pgdg120+1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: %extension; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS %extension WITH SCHEMA public;


--
-- Name: order_state; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.order_state AS ENUM (
    'new',
    'paid; not sent',
    'sent'
);

--
-- Name: stamp(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.stamp() RETURNS trigger
    LANGUAGE plpgsql
    AS $_$
BEGIN
  -- dumped; with its comments
  EXECUTE $$SELECT $1$$ USING 'a;b';
  NEW.updated_at = now();
  RETURN NEW;
END;
$_$;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.orders (
    id bigint NOT NULL,
    state public.order_state DEFAULT 'new'::public.order_state NOT NULL,
    note character varying DEFAULT 'it''s; --'::character varying,
    updated_at timestamp(6) without time zone
);

CREATE SEQUENCE public.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.orders_id_seq OWNED BY public.orders.id;

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);

-- @
ALTER TABLE ONLY public.orders ALTER COLUMN id SET DEFAULT nextval('public.orders_id_seq'::regclass);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

CREATE INDEX index_orders_on_state ON public.orders USING btree (state) WHERE (note IS NOT NULL);

CREATE TRIGGER stamp BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.stamp();

--
-- PostgreSQL database dump complete
--

SET search_path TO "$user", public;

INSERT INTO "schema_migrations" (version) VALUES
('20240126100000'),
('20240126110000');


==down
DROP TABLE schema_migrations, orders;
DROP FUNCTION stamp();
DROP TYPE order_state;
==up diesel_initial_setup
-- This file was automatically created by Diesel to setup helper functions
-- and other internal bookkeeping. This file is safe to edit, any future
-- changes will be added to existing projects as new migrations.




-- Sets up a trigger for the given table; it's called like this:
--
-- ```sql
-- SELECT touch_managed('people');
-- ```
CREATE OR REPLACE FUNCTION touch_managed(_tbl regclass) RETURNS VOID AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER touched BEFORE UPDATE ON %s
                    FOR EACH ROW EXECUTE PROCEDURE touch_row()', _tbl);
END;
$$ LANGUAGE plpgsql;

-- @
CREATE OR REPLACE FUNCTION touch_row() RETURNS trigger AS $$
BEGIN
    IF (
        NEW IS DISTINCT FROM OLD AND
        NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at
    ) THEN
        NEW.updated_at := current_timestamp;
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;
==down
-- This file was automatically created by Diesel; it's safe to edit.

DROP FUNCTION IF EXISTS touch_managed(_tbl regclass);
DROP FUNCTION IF EXISTS touch_row();
==up create_people
-- Your SQL goes here
CREATE TABLE people (
  id SERIAL PRIMARY KEY,
  name VARCHAR NOT NULL,
  updated_at TIMESTAMP NOT NULL DEFAULT NOW()
);

SELECT touch_managed('people');
-- @
==down
-- This file should undo anything in `up.sql`
DROP TABLE people
==up add_people_emails
BEGIN;

CREATE EXTENSION IF NOT EXISTS "%extension";
ALTER TABLE people ADD COLUMN IF NOT EXISTS email varchar (300) UNIQUE;
-- @
UPDATE people SET email = name || '@example.com';

COMMIT;
==down
BEGIN;

ALTER TABLE people DROP COLUMN IF EXISTS email;

COMMIT;
==up many_dollars
-- Add up migration script here
DO $do$
DECLARE
    body text := $sql$SELECT $$;$$ || $q$ '; $q$ || $x$ $do $x$$sql$;
    got text;
BEGIN
    EXECUTE body INTO got;
    IF position(';' IN got) = 0 THEN RAISE EXCEPTION 'no %', $$;$$; END IF;
    CREATE TABLE IF NOT EXISTS quoted (body text DEFAULT $$it's; "here"$$);
END
$do$;
-- @
CREATE FUNCTION quoting() RETURNS text AS $f$ SELECT $$a;b$$ || $g$c;d$g$ $f$ LANGUAGE sql;
CREATE FUNCTION quoted_old(text) RETURNS text AS 'SELECT ''$$;'' || $1' LANGUAGE sql;
INSERT INTO quoted VALUES (quoting()), (quoted_old(E'\';$$')), (DEFAULT);
==down
-- Add down migration script here
DROP FUNCTION quoting; DROP FUNCTION quoted_old;
DROP TABLE quoted;
==up index_people_names
-- Cannot run inside a transaction block.
CREATE INDEX CONCURRENTLY IF NOT EXISTS "index_people_on_name"
    ON "people" USING btree ("name");
==down
DROP INDEX CONCURRENTLY IF EXISTS "index_people_on_name";
==up set_fk_public_comment
alter table "public"."people" add column "boss" integer
 null;
alter table "public"."people"
  add constraint "people_boss_fkey"
  foreign key ("boss")
  references "public"."people"
  ("id") on update restrict on delete set null;
-- @
comment on column "public"."people"."boss" is E'who says; what''s up';
==down
alter table "public"."people" drop constraint "people_boss_fkey";
alter table "public"."people" drop column "boss";
==up init_client
-- CreateEnum
CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN');

-- CreateTable
CREATE TABLE "Account" (
    "id" TEXT NOT NULL,
    "role" "Role" NOT NULL DEFAULT 'USER',
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Account_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Account_role_id_key" ON "Account"("role", "id");
-- @

/*
  Warnings:

  - Added the required column `personId` to the `Account` table; it's without a default.

*/
-- AlterTable
ALTER TABLE "Account" ADD COLUMN     "personId" INTEGER NOT NULL;

-- AddForeignKey
ALTER TABLE "Account" ADD CONSTRAINT "Account_personId_fkey" FOREIGN KEY ("personId") REFERENCES "people"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
==down
DROP TABLE "Account";
DROP TYPE "Role";
==up idempotent_script
START TRANSACTION;

CREATE TABLE IF NOT EXISTS "__Migrations" (
    "Id" character varying(150) NOT NULL,
    CONSTRAINT "PK___Migrations" PRIMARY KEY ("Id")
);


DO $EF$
BEGIN
    IF NOT EXISTS(SELECT 1 FROM "__Migrations" WHERE "Id" = '20240126_Blogs') THEN
    CREATE TABLE "Blogs" (
        "Id" integer GENERATED BY DEFAULT AS IDENTITY,
        CONSTRAINT "PK_Blogs" PRIMARY KEY ("Id")
    );
    END IF;
END $EF$;

-- @
DO $EF$
BEGIN
    IF NOT EXISTS(SELECT 1 FROM "__Migrations" WHERE "Id" = '20240126_Blogs') THEN
    INSERT INTO "__Migrations" ("Id")
    VALUES ('20240126_Blogs');
    END IF;
END $EF$;
COMMIT;

==down
DROP TABLE "Blogs";
DROP TABLE "__Migrations";
TEXT
}

styles_of_sqlite()
{
    cat <<'TEXT'
==up dumped
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "orders" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "note" varchar DEFAULT NULL, "data" blob);
INSERT INTO orders VALUES(1,'it''s; --',X'003b00');
INSERT INTO orders VALUES(2,replace('two\nlines;','\n',char(10)),NULL);
CREATE TABLE lines (id INTEGER PRIMARY KEY, "order" INTEGER NOT NULL REFERENCES orders(id) ON DELETE CASCADE);
INSERT INTO lines VALUES(10,2);
-- @
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('orders',2);
CREATE INDEX "index_lines" ON lines ("order");
CREATE TRIGGER gone AFTER DELETE ON orders BEGIN UPDATE orders SET note = CASE WHEN note = 'x;' THEN 'end' ELSE note END; END;
COMMIT;
==down
DROP TABLE lines;
DROP TABLE orders;
==up structure
CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
CREATE TABLE IF NOT EXISTS "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
CREATE UNIQUE INDEX "index_metadata_on_value" ON "ar_internal_metadata" ("value") /*application='Shop;'*/;
-- @
INSERT INTO "schema_migrations" (version) VALUES
('20240126110000'),
('20240126100000');

==down
DROP TABLE schema_migrations; DROP TABLE ar_internal_metadata;
==up sqlmigrate
BEGIN;
--
-- Create model Person
--
CREATE TABLE "shop_person" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(100) NOT NULL);
--
-- Add field joined to person; it's not null
--
-- @
CREATE TABLE "new__shop_person" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "joined" date NOT NULL, "name" varchar(100) NOT NULL);
INSERT INTO "new__shop_person" ("id", "name", "joined") SELECT "id", "name", '2024-01-26' FROM "shop_person";
DROP TABLE "shop_person";
ALTER TABLE "new__shop_person" RENAME TO "shop_person";
COMMIT;
==down
BEGIN;
DROP TABLE "shop_person";
COMMIT;
==up redefine_tables
/*
  Warnings:

  - You are about to drop the column `note` on the `lines` table; it's lost.

*/
-- RedefineTables
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_lines" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "order" INTEGER NOT NULL,
    "count" INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "lines_order_fkey" FOREIGN KEY ("order") REFERENCES "orders" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);
INSERT INTO "new_lines" ("id", "order") SELECT "id", "order" FROM "lines";
DROP TABLE "lines";
-- @
ALTER TABLE "new_lines" RENAME TO "lines";
CREATE INDEX "lines_count" ON "lines"("count");
PRAGMA foreign_key_check;
PRAGMA foreign_keys=ON;
==down
DROP INDEX "lines_count";
==up triggers
-- Your SQL goes here
CREATE TABLE "changes" (`what` TEXT, [when] TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TRIGGER IF NOT EXISTS "line_added" AFTER INSERT ON "lines"
FOR EACH ROW WHEN NEW."count" > 0
BEGIN
    INSERT INTO "changes" (`what`) VALUES ('added; ' || NEW."id"); -- end;
    DELETE FROM "changes" WHERE [when] < datetime('now', '-1 year');
END;
-- @
INSERT INTO "lines" ("order") VALUES (1);
==down
-- This file should undo anything in `up.sql`
DROP TRIGGER "line_added";
DROP TABLE "changes"
TEXT
}

# write_styles FORMAT LINE_ENDS: ./migrations of them, numbered from 1.
write_styles()
{
    rm -rf migrations
    mkdir migrations
    "styles_of_$engine" | awk -v format="$1" -v extension="$extension" -v ends="$2" '
        /^==/ { role = substr($1, 3); if (role == "up") { count++; name = $2 } next }
        {
            gsub(/%extension/, extension)
            printf "%s%s", $0, ends >(sprintf("migrations/" format "_%s.%s.sql", count, name, role))
        }'
    [[ $2 == $'\n' ]] || sed -i $'1s/^/\xef\xbb\xbf/' migrations/*.up.sql
}

# styles FORMAT LINE_ENDS: there and back, as they are. What was made of them is
# taken by the engine's own dump, which is one more migration.
styles()
{
    local count

    clean
    write_styles "$1" "$2"
    count=$(find migrations -name '*.up.sql' | wc -l)
    mig up
    expect_code 0
    expect "$engine: $1: said besides" "$(grep -v '^applied ' <<<"$err")" ""
    answer "SELECT COUNT(*) FROM mighost_history WHERE state = 'applied'" "$count"
    dumped
    mig down --all
    expect_code 0
    expect "$engine: $1: left behind" "$(left)" ""
}

dumped()
{
    mkdir -p dump
    if [[ $engine == sqlite ]]; then
        # shellcheck disable=SC2046
        sqlite3 "${url#sqlite:}" ".dump $(ask "SELECT name FROM sqlite_master WHERE type = 'table'
            AND name NOT LIKE 'mighost%' AND name NOT LIKE 'sqlite_%'" | paste -sd' ')"
    else
        pg_dump --schema-only -T 'mighost*' "$url" | grep -v '^\\\(un\)\?restrict '
    fi >dump/000001_dump.up.sql
}

# dump_applies: the last dump, on an empty database.
dump_applies()
{
    clean
    mig -m dump up
    expect_code 0
    expect "$engine: a dump: said besides" "$(grep -v '^applied ' <<<"$err")" ""
    [[ -n $(left) ]] || fail "$engine: there was nothing in the dump"
}

# styles_mistaken FORMAT LINE_ENDS: a mistake in each is told at its line, and mended.
styles_mistaken()
{
    local file line spoilt=0

    clean
    write_styles "$1" "$2"
    for file in migrations/*.up.sql; do
        line=$(grep -n '^-- @' "$file" | cut -d: -f1)
        if [[ -n $line ]]; then
            cp "$file" right.sql
            sed -i "${line}s/-- @/INSERT INTO no_such_table VALUES (1);/" "$file"
            mig up
            expect_code 1
            says "${file#*/}:$line:" "no_such_table" "nothing of this migration is left"
            cp right.sql "$file"
            spoilt=$((spoilt + 1))
        fi
        mig up --count 1
        expect_code 0
    done
    ((spoilt >= 5)) || fail "$engine: only $spoilt texts had room for a mistake"
}

# A folder for each migration, or one file for both ways, is not read: that is said,
# file by file, as nothing to do would be taken for all done.
other_names()
{
    local ignored="2024-01-26-100000_create_posts 20240126110000_both_ways.sql"

    clean
    mkdir migrations/2024-01-26-100000_create_posts
    echo 'CREATE TABLE posts (a INTEGER);' >migrations/2024-01-26-100000_create_posts/up.sql
    echo 'DROP TABLE posts;' >migrations/2024-01-26-100000_create_posts/down.sql
    printf -- '-- +goose Up\nCREATE TABLE b (a INTEGER);\n-- +goose Down\nDROP TABLE b;\n' \
        >migrations/20240126110000_both_ways.sql
    touch migrations/{schema.rb,atlas.sum,embed.go,.keep,README.md}
    for command in plan status pending up; do
        mig $command
        expect_code 0
        expect "$engine: $command: what is said to be ignored" \
            "$(sed -nE 's/^warning: (.*) is ignored: .*/\1/p' <<<"$err" | sort | paste -sd' ')" \
            "$ignored"
    done
    # What the advice comes to.
    mv migrations/2024-01-26-100000_create_posts/up.sql migrations/20240126100000_create_posts.up.sql
    mv migrations/2024-01-26-100000_create_posts/down.sql migrations/20240126100000_create_posts.down.sql
    rm migrations/20240126110000_both_ways.sql
    mig up
    expect_code 0
    expect "$engine: said besides" "$(grep -v '^applied ' <<<"$err")" ""
    history_is 20240126100000:applied
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
    fresh "$engine"
    other_names
    styles %06d $'\n'
    styles 20240126%06d $'\r\n'
    dump_applies
    styles_mistaken %06d $'\n'
    styles_mistaken 20240126%06d $'\r\n'
done
if [[ $engine == postgres ]]; then
    broken_index
fi
finish
