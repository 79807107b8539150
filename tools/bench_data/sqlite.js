// SPDX-License-Identifier: Apache-2.0
//
// The data benchmark's job on SQLite as users of better-sqlite3 write it: row
// by row in one transaction, the index made after.
//
//     node sqlite.js FILE
'use strict';

const { createHash } = require('crypto');
const Database = require('better-sqlite3');

const db = new Database(process.argv[2]);

db.pragma('synchronous = FULL');
db.exec('ALTER TABLE users ADD COLUMN email_hash VARCHAR(64)');
const users = db.prepare('SELECT id, email FROM users').all();
const update = db.prepare('UPDATE users SET email_hash = ? WHERE id = ?');
db.transaction(() => {
    for (const { id, email } of users)
        update.run(createHash('sha256').update(email).digest('hex'), id);
})();
db.exec('CREATE INDEX idx_users_email_hash ON users (email_hash)');
db.close();
