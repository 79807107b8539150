/* SPDX-License-Identifier: Apache-2.0 */
/* Files: what is opened, what is refused, and that writing is all or nothing. */
#include "fs.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static struct mig_err err;

static int open_dir(const char *path)
{
    int fd = -1;

    cr_assert_eq(fs_open_dir(path, &fd, &err), MIG_OK, "%s", err.message);
    return fd;
}

static mig_status beneath(const char *folder, const char *name)
{
    AUTO(close) int dir = open_dir(folder);
    AUTO(close) int fd = -1;

    return fs_open_beneath(dir, folder, name, &fd, &err);
}

Test(fs, join_puts_one_slash_between_and_leaves_absolute_names)
{
    char path[FS_PATH_SIZE];
    char small[5];

    cr_assert_eq(fs_join(path, sizeof path, "a", "b", &err), MIG_OK);
    cr_assert_str_eq(path, "a/b");
    cr_assert_eq(fs_join(path, sizeof path, "a/", "b", &err), MIG_OK);
    cr_assert_str_eq(path, "a/b");
    cr_assert_eq(fs_join(path, sizeof path, "a", "/b", &err), MIG_OK);
    cr_assert_str_eq(path, "/b");
    cr_assert_eq(fs_join(small, sizeof small, "abc", "d", &err), MIG_E_USAGE);
}

Test(fs, parent_is_the_folder_that_holds_the_name)
{
    char path[FS_PATH_SIZE];

    fs_parent(path, sizeof path, "a/b/c", &err);
    cr_assert_str_eq(path, "a/b");
    fs_parent(path, sizeof path, "c", &err);
    cr_assert_str_eq(path, ".");
    fs_parent(path, sizeof path, "/c", &err);
    cr_assert_str_eq(path, "/");
}

Test(fs, read_takes_a_whole_file_up_to_the_limit)
{
    AUTO(buf) struct buf out = {0};
    const char *path = test_write(test_folder(), "f", "0123456789");

    cr_assert_eq(fs_read(path, 10, &out, &err), MIG_OK);
    cr_assert_str_eq(buf_text(&out), "0123456789");
    cr_assert_eq(fs_read(path, 9, &out, &err), MIG_E_BUNDLE);
    cr_assert(strstr(err.message, path));
}

Test(fs, read_works_where_the_size_is_not_told)
{
    AUTO(buf) struct buf out = {0};

    cr_assert_eq(fs_read("/proc/self/status", 1 << 20, &out, &err), MIG_OK);
    cr_assert_eq(strncmp(buf_text(&out), "Name:", 5), 0);
}

Test(fs, pread_stops_at_the_end_of_the_file)
{
    AUTO(close) int fd = open(test_write(test_folder(), "f", "0123456789"), O_RDONLY);
    char data[20];
    size_t got = 0;

    cr_assert_eq(fs_pread(fd, "f", data, sizeof data, 7, &got, &err), MIG_OK);
    cr_assert_eq(got, 3);
    cr_assert_eq(fs_pread(fd, "f", data, sizeof data, 100, &got, &err), MIG_OK);
    cr_assert_eq(got, 0);
}

Test(fs, open_says_what_is_missing)
{
    int fd = -1;

    cr_assert_eq(fs_open("/nowhere/at/all", &fd, &err), MIG_E_NOTFOUND);
    cr_assert_str_eq(err.message, "opening /nowhere/at/all: No such file or directory");
    cr_assert_eq(fd, -1);
}

Test(fs, what_is_no_regular_file_is_refused_without_waiting_for_it)
{
    const char *folder = test_folder();
    const char *fifo = test_format("%s/fifo", folder);

    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(beneath(folder, "fifo"), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "is a FIFO"));
    cr_assert_eq(beneath("/", "dev/null"), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "is a device"));
    cr_assert_eq(beneath("/", "usr"), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "is a folder"));
}

Test(fs, no_way_leads_out_of_the_folder)
{
    const char *folder = test_folder();
    const char *inside = test_format("%s/inside", folder);

    test_write(folder, "secret", "x");
    test_write(inside, "file", "x");
    cr_assert_eq(symlink("../secret", test_format("%s/relative", inside)), 0);
    cr_assert_eq(symlink("/etc/passwd", test_format("%s/absolute", inside)), 0);
    cr_assert_eq(symlink("file", test_format("%s/within", inside)), 0);
    cr_assert_eq(beneath(inside, "file"), MIG_OK);
    cr_assert_eq(beneath(inside, "within"), MIG_OK);
    cr_assert_eq(beneath(inside, "../secret"), MIG_E_REFUSED);
    cr_assert_eq(beneath(inside, "relative"), MIG_E_REFUSED);
    cr_assert_eq(beneath(inside, "absolute"), MIG_E_REFUSED);
    cr_assert_eq(beneath(inside, "/etc/passwd"), MIG_E_REFUSED);
    cr_assert_eq(beneath(inside, "nothing"), MIG_E_NOTFOUND);
}

Test(fs, write_makes_the_file_and_never_replaces_one_unasked)
{
    const char *folder = test_folder();
    const char *path = test_format("%s/f", folder);
    struct stat info;

    cr_assert_eq(fs_write(path, "one", 3, 0640, 0, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0640);
    cr_assert_eq(fs_write(path, "two", 3, 0640, 0, &err), MIG_E_USAGE);
    cr_assert(strstr(err.message, "exists already"));
    cr_assert_str_eq(test_read(path, NULL), "one");
    cr_assert_eq(fs_write(path, "three", 5, 0600, FS_REPLACE, &err), MIG_OK);
    cr_assert_str_eq(test_read(path, NULL), "three");
    cr_assert_str_eq(test_run("ls", "-A", folder).out, "f\n");
}

Test(fs, write_into_no_folder_leaves_nothing)
{
    cr_assert_eq(fs_write("/nowhere/at/all", "x", 1, 0600, 0, &err), MIG_E_IO);
}

Test(fs, what_others_can_write_is_not_trusted)
{
    const char *path = test_write(test_folder(), "f", "x");
    AUTO(close) int fd = open(path, O_RDONLY);

    cr_assert_eq(fchmod(fd, 0644), 0);
    cr_assert_eq(fs_check_owner(fd, path, &err), MIG_OK);
    cr_assert_eq(fchmod(fd, 0664), 0);
    cr_assert_eq(fs_check_owner(fd, path, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "mode 0664"), "%s", err.message);
    cr_assert_eq(fchmod(fd, 0646), 0);
    cr_assert_eq(fs_check_owner(fd, path, &err), MIG_E_REFUSED);
}

/* A umask of 002 makes files so. */
Test(fs, a_text_may_be_written_by_the_callers_own_group)
{
    const char *path = test_write(test_folder(), "f", "x");
    AUTO(close) int fd = open(path, O_RDONLY);

    cr_assert_eq(fchmod(fd, 0664), 0);
    cr_assert_eq(fs_check_text(fd, path, &err), MIG_OK);
    cr_assert_eq(fchmod(fd, 0666), 0);
    cr_assert_eq(fs_check_text(fd, path, &err), MIG_E_REFUSED);
    if (geteuid() != 0)
        cr_skip_test("only root can give files to any group");
    cr_assert_eq(fchown(fd, (uid_t)-1, 12345), 0);
    cr_assert_eq(fchmod(fd, 0664), 0);
    cr_assert_eq(fs_check_text(fd, path, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "mode 0664"), "%s", err.message);
}

Test(fs, what_another_user_owns_is_not_trusted)
{
    const char *path = test_write(test_folder(), "f", "x");
    AUTO(close) int fd = open(path, O_RDONLY);

    if (geteuid() != 0)
        cr_skip_test("only root can give files away");
    cr_assert_eq(fchown(fd, 12345, 12345), 0);
    cr_assert_eq(fs_check_owner(fd, path, &err), MIG_E_REFUSED);
    cr_assert(strstr(err.message, "user 12345"));
}

Test(fs, a_sealed_copy_has_the_bytes_and_cannot_be_changed)
{
    size_t size = 300000;
    char *data = calloc(1, size);
    const char *path = test_write_bytes(test_folder(), "f", data, size);
    AUTO(close) int fd = open(path, O_RDWR);
    AUTO(close) int copy = -1;
    struct stat info;

    cr_assert_eq(fs_memfd(fd, path, &copy, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(pwrite(fd, "changed", 7, 0), 7);
    cr_assert_eq(fstat(copy, &info), 0);
    cr_assert_eq((size_t)info.st_size, size);
    cr_assert_eq(pread(copy, data, 7, 0), 7);
    cr_assert_arr_eq(data, "\0\0\0\0\0\0\0", 7);
    cr_assert_eq(pwrite(copy, "x", 1, 0), -1);
    cr_assert_eq(errno, EPERM);
    cr_assert_eq(ftruncate(copy, 0), -1);
    cr_assert_eq(fcntl(copy, F_ADD_SEALS, F_SEAL_GROW), -1);
    free(data);
}

Test(fs, bytes_of_memory_can_be_sealed_too)
{
    AUTO(close) int copy = -1;
    AUTO(buf) struct buf out = {0};

    cr_assert_eq(fs_memfd_bytes("abc", 3, "carrier", &copy, &err), MIG_OK);
    cr_assert_eq(lseek(copy, 0, SEEK_SET), 0);
    cr_assert_eq(fs_read_fd(copy, "carrier", 10, &out, &err), MIG_OK);
    cr_assert_str_eq(buf_text(&out), "abc");
}

Test(fs, a_copy_in_memory_is_limited_as_a_file_is_and_says_so)
{
    const struct rlimit limit = {.rlim_cur = 2, .rlim_max = RLIM_INFINITY};
    int copy = -1;

    cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(fs_memfd_bytes("abc", 3, "carrier", &copy, &err), MIG_E_FULL);
    cr_assert(strstr(err.message, "the copy of carrier in memory"), "%s", err.message);
    cr_assert(strstr(err.message, "ulimit -f"), "%s", err.message);
    cr_assert_eq(copy, -1);
}

Test(fs, the_own_folder_is_that_of_this_program)
{
    char dir[FS_PATH_SIZE];

    cr_assert_eq(fs_self_dir(dir, sizeof dir, &err), MIG_OK);
    cr_assert_eq(dir[0], '/');
    cr_assert_eq(access(dir, X_OK), 0);
}

struct seen {
    int files;
    int folders;
    int dir;
    int stop_behind; /* entries; 0: never */
};

static mig_status see(void *arg, const struct dirent *found, struct mig_err *why)
{
    struct seen *seen = arg;

    cr_assert(found->d_name[0] != '.' || found->d_name[1] == 'h', "%s", found->d_name);
    ++*(fs_is_folder(seen->dir, found) ? &seen->folders : &seen->files);
    return seen->files + seen->folders == seen->stop_behind
               ? err_set(why, MIG_E_REFUSED, "enough of %s", found->d_name)
               : MIG_OK;
}

Test(fs, each_entry_is_seen_once_until_one_is_refused)
{
    const char *folder = test_folder();
    AUTO(close) int dir = open_dir(folder);
    struct seen all = {.dir = dir};
    struct seen some = {.dir = dir, .stop_behind = 2};

    cr_assert_eq(mkdirat(dir, "inner", 0755), 0);
    cr_assert_eq(symlinkat("inner", dir, "link"), 0);
    cr_assert_eq(symlinkat("nowhere", dir, "dangling"), 0);
    test_write(folder, ".hidden", "x");
    cr_assert_eq(fs_each(dir, folder, MIG_E_BUNDLE, see, &all, &err), MIG_OK, "%s", err.message);
    cr_assert_eq(all.folders, 2);
    cr_assert_eq(all.files, 2);
    cr_assert_eq(fs_each(dir, folder, MIG_E_BUNDLE, see, &some, &err), MIG_E_REFUSED);
    cr_assert_eq(some.files + some.folders, 2);
    cr_assert_eq(fs_each(-1, "gone", MIG_E_USAGE, see, &some, &err), MIG_E_USAGE);
    cr_assert(strstr(err.message, "gone"), "%s", err.message);
}
