/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command: reads what it is asked, opens a host where the command needs
 * one, runs the command's function, and prints what came of it. Output is
 * printed once, at the end; a failure prints one sentence, and its status
 * gives the exit code. Sees only mighost.h, never the core.
 */
#include "cli.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>

/* Larger blocks would be handed back to the kernel as they are freed, and fetched again
 * page by page a moment later; this process is short. */
#define KEEP_BLOCKS (64 * 1024 * 1024)

static void look_at_terminal(struct cli *cli)
{
    const struct settings *settings = &cli->settings;
    const char *term = getenv("TERM");
    bool allowed = !setting_on(settings, OPT_NO_COLOR) && !(term && strcmp(term, "dumb") == 0);
    bool terminal = isatty(STDERR_FILENO);

    cli->json = setting_on(settings, OPT_JSON);
    cli->quiet = setting_on(settings, OPT_QUIET);
    cli->verbose = setting_on(settings, OPT_VERBOSE);
    cli->color = allowed && isatty(STDOUT_FILENO);
    cli->listener.events = setting_on(settings, OPT_EVENTS);
    cli->listener.quiet = cli->quiet;
    cli->listener.verbose = cli->verbose;
    cli->listener.terminal = terminal && !(term && strcmp(term, "dumb") == 0);
    cli->listener.color = allowed && terminal;
}

/* --help and --version in place of whatever the command would do. */
static bool answer_about_itself(struct cli *cli)
{
    if (setting_on(&cli->settings, OPT_VERSION))
        cmd_version(cli, NULL);
    else if (!setting_on(&cli->settings, OPT_HELP))
        return false;
    else if (cli->settings.command)
        help_command(&cli->out, cli->settings.command);
    else
        help_overview(&cli->out);
    return true;
}

static mig_status run_command(struct cli *cli, struct mig_err *err)
{
    const struct command *command = cli->settings.command;
    mig_status status;

    if (command->needs == NEEDS_HOST) {
        MIG_TRY(settings_resolve(&cli->settings, err));
        look_at_terminal(cli);
        MIG_TRY(cli_open(cli, err));
        signals_watch(cli->host);
    }
    status = command->run(cli, err);
    signals_watch(NULL);
    return status;
}

static mig_status run(struct cli *cli, int argc, char **argv, struct mig_err *err)
{
    mig_status status = settings_parse(&cli->settings, argc, argv, err);

    look_at_terminal(cli);
    if (status < 0)
        return status;
    if (!answer_about_itself(cli))
        MIG_TRY(run_command(cli, err));
    return buf_check(&cli->out, err);
}

/* A failure: the sentence on standard error, and JSON in place of the output. */
static void report(struct cli *cli, const struct mig_err *err)
{
    struct json json;

    listener_error(&cli->listener, err);
    buf_reset(&cli->out);
    if (!cli->json)
        return;
    json_init(&json, &cli->out);
    json_error(&json, err);
    buf_putc(&cli->out, '\n');
}

/* Whoever reads standard output may stop reading: that is no failure. */
static mig_status print(const struct buf *out, struct mig_err *err)
{
    size_t done = 0;

    while (done < out->len) {
        ssize_t wrote = write(STDOUT_FILENO, out->data + done, out->len - done);

        if (wrote >= 0)
            done += (size_t)wrote;
        else if (errno == EPIPE)
            return MIG_OK;
        else if (errno != EINTR)
            return err_errno(err, MIG_E_IO, errno,
                             "the command has done its work, but writing its output failed");
    }
    return MIG_OK;
}

static int finish(struct cli *cli, mig_status status, struct mig_err *err)
{
    int exit_code = status < 0 ? mighost_exit_code(status) : cli->exit_code;

    if (status < 0) {
        err->status = status;
        report(cli, err);
    }
    if (print(&cli->out, err) < 0) {
        listener_error(&cli->listener, err);
        exit_code = exit_code ? exit_code : mighost_exit_code(err->status);
    }
    listener_end(&cli->listener);
    return exit_code;
}

/* A standard descriptor that is closed would be the next file's, or the database's
 * connection, and what is said would go there. This one takes nothing either. */
static void hold_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/", O_PATH | O_CLOEXEC) != fd)
            _exit(mighost_exit_code(MIG_E_LIMIT));
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct mig_err err;
    int exit_code;

    hold_standard_fds();
    err_clear(&err);
    mallopt(M_MMAP_THRESHOLD, KEEP_BLOCKS / 2);
    mallopt(M_TRIM_THRESHOLD, KEEP_BLOCKS);
    signals_install();
    exit_code = finish(&cli, run(&cli, argc, argv, &err), &err);
    mighost_close(cli.host);
    listener_clear(&cli.listener);
    settings_clear(&cli.settings);
    buf_clear(&cli.out);
    return exit_code;
}
