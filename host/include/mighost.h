/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mighost.h - all that a program includes which embeds the host; the command
 * `mighost` is such a program and knows nothing more.
 *
 * A `struct mighost` stands for one bundle and one database. It connects when
 * a call needs the database, takes the lock for as long as a call writes, and
 * holds no connection between calls. One thread uses it at a time.
 *
 * Every function that can fail returns a mig_status (0 is success), fills
 * `err` with one sentence when that is negative, and writes its outputs only
 * on success; a mighost_result alone is filled in after a failure as well. The
 * library never prints and never exits: what happens while a call runs comes as
 * events. What a call hands out is freed with the function
 * named beside it; ids are text, "" where there is none.
 *
 * All of it is since 0.1.
 */
#ifndef MIGHOST_H
#define MIGHOST_H

#include <mig.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MIGHOST_API MIG_EXPORT

struct mighost;

enum mighost_direction { MIGHOST_UP, MIGHOST_DOWN };

enum mighost_kind {
    MIGHOST_SQL,        /* .up.sql, .down.sql files */
    MIGHOST_SQL_MODULE, /* SQL compiled into a module */
    MIGHOST_NATIVE,     /* a compiled C module */
    MIGHOST_REGISTERED, /* functions of the embedding program */
    MIGHOST_BASELINE    /* recorded as applied, never run */
};

enum mighost_state {
    MIGHOST_PENDING,
    MIGHOST_APPLIED,
    MIGHOST_PARTIAL,  /* durable, stopped part way: `up` goes on */
    MIGHOST_FAILED,   /* mode none, failed: needs mighost_resolve() */
    MIGHOST_RUNNING,  /* started by a host that has not finished */
    MIGHOST_REVERTING /* durable, half rolled back: `down` goes on */
};

/* What is odd about a migration; bits. */
enum mighost_flags {
    MIGHOST_CHANGED = 1,      /* the file is not the one that was applied */
    MIGHOST_MISSING = 2,      /* applied; no file in the bundle */
    MIGHOST_OUT_OF_ORDER = 4, /* pending, older than the newest applied one */
    MIGHOST_HAS_DOWN = 8,     /* can be rolled back: by file or by carrier */
    MIGHOST_HAS_VERIFY = 16
};

enum mighost_event_kind {
    MIGHOST_EVENT_WAITING,  /* for the run lock or another lock; `text` says who holds it */
    MIGHOST_EVENT_RUN,      /* a run begins: `count` migrations to go */
    MIGHOST_EVENT_START,    /* a migration begins: `index` of `count` */
    MIGHOST_EVENT_STEP,     /* a step of a durable one is done: `done` of `total` */
    MIGHOST_EVENT_PROGRESS, /* rows: `done` of `total` (0: not known) */
    MIGHOST_EVENT_LOG,      /* a module or the server says `text` */
    MIGHOST_EVENT_WARNING,  /* something the operator should know: `text` */
    MIGHOST_EVENT_DONE,     /* a migration has ended well: `duration_ms` */
    MIGHOST_EVENT_FAILED,   /* a migration failed: `text` */
    MIGHOST_EVENT_SKIPPED,  /* another host had done it in the meantime */
    MIGHOST_EVENT_END       /* the run is over: `done` of `count`, `duration_ms` */
};

/* What keeps a data migration from running as fast as it can. */
enum mighost_pace {
    MIGHOST_FULL_SPEED, /* nothing */
    MIGHOST_THROTTLED,  /* it sleeps, as mighost_config.throttle wants it */
    MIGHOST_LAGGING,    /* it waits for a standby, as max_lag_ms wants it */
    MIGHOST_PAUSED      /* mighost_pause() */
};

/* Members that an event does not use are 0, NULL or "". Texts come from
 * outside: escape them before a terminal sees them. Valid during the call. */
struct mighost_event {
    uint32_t size;
    enum mighost_event_kind kind;
    enum mighost_direction direction;
    const char *id;
    const char *description;
    const char *run_id;
    const char *text;
    enum mig_level level;
    size_t index; /* from 1 */
    size_t count;
    int64_t done;
    int64_t total;
    int64_t duration_ms;
    /* MIGHOST_EVENT_PROGRESS of a transform: */
    int64_t rate;     /* rows a second of late; 0: not known */
    int64_t eta_ms;   /* until the end; 0: not known */
    int64_t batch;    /* rows a batch at present */
    int64_t rejected; /* rows of those done that its callback called bad */
    enum mighost_pace pace;
};

typedef void (*mighost_listener)(const struct mighost_event *event, void *user);

/*
 * The configuration; zero or NULL takes the default in parentheses. Copied by
 * mighost_open(). Times in milliseconds.
 */
struct mighost_config {
    uint32_t size;                /* sizeof(struct mighost_config) */
    const char *database;         /* URL: "sqlite:PATH", "postgres://..." */
    const char *bundle;           /* folder of the migrations ("migrations") */
    const char *history;          /* "prefix" or "schema.prefix" ("mighost") */
    const char *driver_dir;       /* folder of the drivers (beside the library) */
    const char *worker;           /* path of mighost-worker (beside the library) */
    const char *const *params;    /* "key=value" for mig_param(), NULL at the end */
    const char *const *secrets;   /* likewise; values from 8 bytes on are hidden in what is said */
    const char *const *libraries; /* more libraries that modules may need, NULL at the end */
    const char *trust;            /* file or folder of the trusted public keys (none) */
    int64_t wait_ms;              /* for the lock (60,000; negative: do not wait) */
    int64_t timeout_ms;           /* for one migration (0: none) */
    int64_t connect_timeout_ms;   /* (10,000) */
    int64_t busy_timeout_ms;      /* for a locked SQLite file (5,000) */
    int64_t lock_timeout_ms;      /* for table locks on PostgreSQL (5,000; negative: none) */
    int64_t statement_timeout_ms; /* (0: none) */
    uint64_t max_memory;          /* bytes for a worker (0: none) */
    int64_t max_cpu_ms;           /* processor time for a worker, in whole seconds (0: none) */
    int64_t max_rejects;          /* rows that a transform's callback may reject (0) */
    int64_t throttle;             /* percent of the time a transform may work (100) */
    int64_t workers;              /* threads of a transform, at most (0: as its author wants) */
    int64_t max_lag_ms;           /* a transform waits for standbys further behind (0: none) */
    bool in_process;              /* run modules in this process, not in a worker */
    bool require_signed;          /* refuse unsigned bundles; `trust` says so by itself */
    mighost_listener listener;
    void *user;
};

/* What one call is asked to do; zero is the default of everything. */
struct mighost_options {
    uint32_t size;  /* sizeof(struct mighost_options) */
    const char *to; /* up: including it; down: keeping it. NULL: see the call */
    size_t count;   /* that many migrations; 0: see the call */
    bool all;       /* down: every one */
    bool allow_out_of_order;
    bool skip_irreversible;
    bool rollback_on_failure;          /* up: undo what this run applied */
    const char *const *accept_changed; /* ids whose changed file is accepted, NULL at the end */
    const char *const *open_gates;     /* up: gates that are open, by text or by id; likewise */
};

/* What a run did, also where it failed. */
struct mighost_result {
    uint32_t size;      /* sizeof(struct mighost_result), which the call sets as well */
    size_t done;        /* migrations that this run applied or rolled back */
    size_t skipped;     /* done by another host in the meantime */
    size_t rolled_back; /* undone again after a failure */
    int64_t duration_ms;
    char run_id[40];
    char current[MIG_ID_SIZE]; /* version afterwards, "" when empty */
    size_t applied;            /* migrations that stand applied afterwards */
};

/* One migration, as bundle and history together see it. */
struct mighost_item {
    const char *id;
    const char *description;
    const char *file; /* name in the bundle, "" where there is none */
    enum mighost_kind kind;
    enum mig_mode mode;
    enum mighost_state state;
    uint32_t flags;       /* enum mighost_flags */
    const char *checksum; /* hex SHA-256, "" where not known */
    /* From the history; 0 or "" where pending: */
    int64_t sequence;
    int64_t applied_at_ms; /* since 1970, UTC */
    int64_t duration_ms;
    const char *run_id;
    const char *host_version;
    const char *who;    /* user@host that applied it */
    const char *signer; /* fingerprint of the key that had signed it */
    const char *gate;   /* of a pending one: what up waits for before it; "" */
};

struct mighost_list {
    size_t count;
    const struct mighost_item *items;
};

struct mighost_overview {
    const char *current;    /* newest applied id, "" when empty */
    const char *target;     /* where we are connected, without secrets */
    const char *engine;     /* "sqlite 3.40.1" */
    const char *last_error; /* of the newest attempt, when it failed; "" */
    size_t applied;
    size_t pending;
    size_t problems;         /* changed, missing, out of order, failed, partial */
    struct mighost_list all; /* ascending by id */
};

/* A line of the log: one attempt of anything. */
struct mighost_attempt {
    int64_t number;
    int64_t started_at_ms;
    int64_t duration_ms;
    const char *id;
    const char *action;  /* "up", "down", "baseline", "resolve" */
    const char *outcome; /* "applied", "rolled back", "failed", ... */
    const char *error;   /* "" when it went well */
    const char *run_id;
    const char *who;
    const char *host_version;
};

struct mighost_attempts {
    size_t count;
    const struct mighost_attempt *items; /* newest first */
};

/* A journaled step of a durable migration. */
struct mighost_step {
    int64_t number;
    const char *state; /* "started", "finished" */
    const char *kind;  /* "sql", "exec", "transform", "load" */
    const char *fingerprint;
    int64_t done;     /* rows, for a transform */
    int64_t rejected; /* of them, those that its callback called bad */
};

/* All about one migration. */
struct mighost_detail {
    struct mighost_item item;
    const char *up;       /* SQL text, NULL where there is none */
    const char *down;     /* SQL text, NULL where there is none */
    bool down_is_carrier; /* the text is what the history carries */
    size_t step_count;
    const struct mighost_step *steps;
    struct mighost_attempts attempts;
};

/* What a module's file says about itself; nothing of it was run. */
struct mighost_module_info {
    char id[MIG_ID_SIZE];
    char description[MIG_DESCRIPTION_SIZE];
    char drivers[MIG_DRIVERS_SIZE];
    enum mig_mode mode;
    uint16_t abi_major;
    uint16_t abi_minor;
    bool has_up;
    bool has_down;
    bool has_verify;
    bool sql_only;
    char checksum[MIG_SHA256_HEX];
    char needs[512];   /* libraries, separated by ", " */
    char refusal[512]; /* why this host would not load it; "" where it would */
};

/* What is wrong with a signed bundle: one file, or the list or its signature. */
struct mighost_fault {
    const char *file; /* name in the bundle */
    const char *kind; /* "changed", "added", "removed", "unreadable", "manifest", "signature" */
    const char *text; /* one sentence */
};

/* What mighost_check() finds. */
struct mighost_findings {
    const char *bundle;
    const char *signer;   /* fingerprint of the trusted key that signed it, or "" */
    const char *key_file; /* where that key stands, or "" */
    size_t file_count;    /* files that it consists of */
    size_t fault_count;   /* 0: it is what was signed */
    const struct mighost_fault *faults;
};

/* What was signed. */
struct mighost_signing {
    size_t file_count;
    char signer[MIG_SHA256_HEX]; /* fingerprint of the key */
};

enum mighost_resolution { MIGHOST_RETRY, MIGHOST_MARK_APPLIED, MIGHOST_MARK_REVERTED };

/* "0.1.0". Static. */
MIGHOST_API const char *mighost_version(void);
/* The exit code of the command for a status; 0 for what is not a failure. */
MIGHOST_API int mighost_exit_code(mig_status status);
/* "MIG_E_SQL", and its one-line text. Static. */
MIGHOST_API const char *mighost_status_name(mig_status status);
MIGHOST_API const char *mighost_status_text(mig_status status);
/* "sql", "native" ...; "applied" ...; "atomic" .... Static. */
MIGHOST_API const char *mighost_kind_name(enum mighost_kind kind);
MIGHOST_API const char *mighost_state_name(enum mighost_state state);
MIGHOST_API const char *mighost_mode_name(enum mig_mode mode);

/* Checks the configuration; connects to nothing. mighost_close() ends it. */
MIGHOST_API mig_status mighost_open(const struct mighost_config *config, struct mighost **out,
                                    struct mig_err *err);
/* NULL is allowed. */
MIGHOST_API void mighost_close(struct mighost *host);

/*
 * Asks the running call to stop as for SIGINT or SIGTERM (`signal_number`):
 * it rolls the current migration back, or stops after the current batch, and
 * ends with MIG_E_INTERRUPTED or MIG_E_TERMINATED. Calls that come later end so
 * likewise, until 0 is given. Async-signal-safe.
 */
MIGHOST_API void mighost_interrupt(struct mighost *host, int signal_number);

/*
 * Holds the running call's data migration up after its current batch, until
 * mighost_resume(), for which it is ready to stop as well; in mode durable no
 * transaction is open meanwhile. Calls that come later are held up likewise.
 * Async-signal-safe, as is mighost_resume().
 */
MIGHOST_API void mighost_pause(struct mighost *host);
MIGHOST_API void mighost_resume(struct mighost *host);

/*
 * Adds a migration whose up() and down() are functions of this program. They
 * run in this process. The descriptor must outlive the host. MIG_E_BUNDLE
 * when it has no up(), or a migration with that id is registered; when one is in
 * the bundle, the calls that read the bundle fail so. MIG_E_USAGE: what it has is
 * no id.
 */
MIGHOST_API mig_status mighost_register(struct mighost *host, const struct mig_module *module,
                                        struct mig_err *err);

/* Creates the history tables where they are missing. Also done by up. */
MIGHOST_API mig_status mighost_init(struct mighost *host, struct mig_err *err);

/*
 * Applies what is pending, in order of id: all of it, or up to and including
 * options->to, or options->count. `options` and `result` may be NULL. A
 * failure leaves the migrations before it applied, unless rollback_on_failure.
 * Before a migration whose gate is not among options->open_gates it ends with
 * MIG_E_GATE, what was applied before it stays.
 */
MIGHOST_API mig_status mighost_up(struct mighost *host, const struct mighost_options *options,
                                  struct mighost_result *result, struct mig_err *err);
MIGHOST_API mig_status mighost_up_to(struct mighost *host, const char *id, struct mig_err *err);

/*
 * Rolls back, newest application first: one migration, or options->count, or
 * everything after options->to (which stays, and need not exist; "" rolls back
 * all), or all. What cannot be rolled back is found before anything runs.
 */
MIGHOST_API mig_status mighost_down(struct mighost *host, const struct mighost_options *options,
                                    struct mighost_result *result, struct mig_err *err);
MIGHOST_API mig_status mighost_down_to(struct mighost *host, const char *id, struct mig_err *err);

/* Rolls the newest back and applies it again. */
MIGHOST_API mig_status mighost_redo(struct mighost *host, const struct mighost_options *options,
                                    struct mighost_result *result, struct mig_err *err);

/* One migration, with all checks; up of an applied or down of a pending one is
 * MIG_E_HISTORY. */
MIGHOST_API mig_status mighost_run(struct mighost *host, const char *id,
                                   enum mighost_direction direction,
                                   const struct mighost_options *options,
                                   struct mighost_result *result, struct mig_err *err);

/* The steps that up or down would take, in order; one with a gate, at the end, is
 * the one that up would stop before. Free the list. */
MIGHOST_API mig_status mighost_plan(struct mighost *host, enum mighost_direction direction,
                                    const struct mighost_options *options,
                                    struct mighost_list **out, struct mig_err *err);

/* Looking: none of these writes, waits for the lock or runs a module. */
MIGHOST_API mig_status mighost_status(struct mighost *host, struct mighost_overview **out,
                                      struct mig_err *err);
MIGHOST_API mig_status mighost_pending(struct mighost *host, struct mighost_list **out,
                                       struct mig_err *err);
MIGHOST_API mig_status mighost_applied(struct mighost *host, struct mighost_list **out,
                                       struct mig_err *err); /* in order of application */
/* The newest applied version; "" for an empty database. */
MIGHOST_API mig_status mighost_current(struct mighost *host, char id[MIG_ID_SIZE],
                                       struct mig_err *err);
/* The applied version before `id` (NULL: before the current); "" for the first. */
MIGHOST_API mig_status mighost_previous(struct mighost *host, const char *id, char out[MIG_ID_SIZE],
                                        struct mig_err *err);
/* The newest `limit` attempts (0: all), of `id` alone where it is not NULL.
 * MIG_E_NOTFOUND where there is no database. */
MIGHOST_API mig_status mighost_log(struct mighost *host, const char *id, size_t limit,
                                   struct mighost_attempts **out, struct mig_err *err);
/* All about one; MIG_E_USAGE where neither the bundle nor the history has it. */
MIGHOST_API mig_status mighost_show(struct mighost *host, const char *id,
                                    struct mighost_detail **out, struct mig_err *err);

/* Reads a module's note and load facts. Nothing of it is run. */
MIGHOST_API mig_status mighost_inspect(const char *path, struct mighost_module_info *out,
                                       struct mig_err *err);

/* Settles a migration that a person has looked at: `failed` or `partial`. */
MIGHOST_API mig_status mighost_resolve(struct mighost *host, const char *id,
                                       enum mighost_resolution how, struct mig_err *err);

/* Records every migration of the bundle up to and including `id` as applied,
 * running none: to adopt an existing database. The history must be empty. */
MIGHOST_API mig_status mighost_baseline(struct mighost *host, const char *id, size_t *recorded,
                                        struct mig_err *err);

/*
 * Writes a new migration `<id>_<name>` into the bundle: an SQL pair with the
 * texts given (NULL: a commented skeleton). `id` NULL: the present UTC second,
 * or one after the newest id of the bundle where that is later. `path`
 * receives the path of the up file, in `size` bytes. Never overwrites. MIG_E_USAGE
 * for an id or a name without sense, a file that is there, and a path that is
 * longer; MIG_E_IO where a file cannot be written.
 */
MIGHOST_API mig_status mighost_create(struct mighost *host, const char *id, const char *name,
                                      const char *up, const char *down, char *path, size_t size,
                                      struct mig_err *err);
/* As mighost_create(), but a C module's source, into `folder`. */
MIGHOST_API mig_status mighost_create_native(struct mighost *host, const char *id, const char *name,
                                             const char *folder, char *path, size_t size,
                                             struct mig_err *err);

/*
 * Signatures. A fingerprint is the SHA-256, in hex, of a public key in DER. With
 * mighost_config.trust every call that reads the bundle verifies it before
 * anything runs, and refuses a bundle that is not wholly what a trusted key
 * signed; and a rollback takes from the history only what one signed.
 *
 * mighost_key_new() writes a new pair of keys, `path` and `path`.pub, and never
 * overwrites. mighost_sign() writes MANIFEST and MANIFEST.sig into the bundle.
 * mighost_check() lists all that is wrong with it; it needs mighost_config.trust.
 */
MIGHOST_API mig_status mighost_key_new(const char *path, char fingerprint[MIG_SHA256_HEX],
                                       struct mig_err *err);
MIGHOST_API mig_status mighost_sign(struct mighost *host, const char *key_path,
                                    struct mighost_signing *out, struct mig_err *err);
MIGHOST_API mig_status mighost_check(struct mighost *host, struct mighost_findings **out,
                                     struct mig_err *err);

/* All accept NULL. */
MIGHOST_API void mighost_findings_free(struct mighost_findings *findings);
MIGHOST_API void mighost_list_free(struct mighost_list *list);
MIGHOST_API void mighost_overview_free(struct mighost_overview *overview);
MIGHOST_API void mighost_attempts_free(struct mighost_attempts *attempts);
MIGHOST_API void mighost_detail_free(struct mighost_detail *detail);

#ifdef __cplusplus
}
#endif
#endif
