// SPDX-License-Identifier: Apache-2.0
//
// The data benchmark's job on PostgreSQL as users of node-postgres write it:
// row by row in one transaction, the index made after.
//
//     node postgres.js URL
'use strict';

const { createHash } = require('crypto');
const { Client } = require('pg');

async function main() {
    const db = new Client({ connectionString: process.argv[2] });

    await db.connect();
    await db.query('ALTER TABLE users ADD COLUMN email_hash VARCHAR(64)');
    await db.query('BEGIN');
    const { rows } = await db.query('SELECT id, email FROM users');
    for (const { id, email } of rows)
        await db.query({
            name: 'write',
            text: 'UPDATE users SET email_hash = $1 WHERE id = $2',
            values: [createHash('sha256').update(email).digest('hex'), id],
        });
    await db.query('COMMIT');
    await db.query('CREATE INDEX idx_users_email_hash ON users (email_hash)');
    await db.end();
}

main().catch((error) => {
    console.error(error.message);
    process.exit(1);
});
