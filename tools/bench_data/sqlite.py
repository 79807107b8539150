# SPDX-License-Identifier: Apache-2.0
"""The data benchmark's job on SQLite as Python's users write it: row by row, or
with executemany; in one transaction either way, the index made after.

    sqlite.py rows|many FILE
"""

import hashlib
import sqlite3
import sys

UPDATE = "UPDATE users SET email_hash = ? WHERE id = ?"


def hash_of(email):
    return hashlib.sha256(email.encode()).hexdigest()


def by_row(db):
    for key, email in db.execute("SELECT id, email FROM users"):
        db.execute(UPDATE, (hash_of(email), key))


def by_many(db):
    users = db.execute("SELECT id, email FROM users").fetchall()
    db.executemany(UPDATE, ((hash_of(email), key) for key, email in users))


way = {"rows": by_row, "many": by_many}[sys.argv[1]]
db = sqlite3.connect(sys.argv[2])
db.execute("PRAGMA synchronous = FULL")
db.execute("ALTER TABLE users ADD COLUMN email_hash VARCHAR(64)")
way(db)
db.commit()
db.execute("CREATE INDEX idx_users_email_hash ON users (email_hash)")
db.close()
