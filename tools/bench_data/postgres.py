# SPDX-License-Identifier: Apache-2.0
"""The data benchmark's job on PostgreSQL as psycopg2's users write it: with
executemany, which is row by row, or with execute_values, a thousand rows a
statement; in one transaction either way, the index made after.

    postgres.py many|values URL
"""

import hashlib
import sys

import psycopg2
import psycopg2.extras

PAGE = 1000


def hash_of(email):
    return hashlib.sha256(email.encode()).hexdigest()


def by_many(cursor, hashed):
    cursor.executemany("UPDATE users SET email_hash = %s WHERE id = %s", hashed)


def by_values(cursor, hashed):
    psycopg2.extras.execute_values(
        cursor,
        "UPDATE users SET email_hash = v.hash FROM (VALUES %s) AS v (hash, id)"
        " WHERE users.id = v.id",
        hashed,
        page_size=PAGE,
    )


way = {"many": by_many, "values": by_values}[sys.argv[1]]
db = psycopg2.connect(sys.argv[2])
cursor = db.cursor()
cursor.execute("ALTER TABLE users ADD COLUMN email_hash VARCHAR(64)")
db.commit()
cursor.execute("SELECT id, email FROM users")
way(cursor, ((hash_of(email), key) for key, email in cursor.fetchall()))
db.commit()
cursor.execute("CREATE INDEX idx_users_email_hash ON users (email_hash)")
db.commit()
db.close()
