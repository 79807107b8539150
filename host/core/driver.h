/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a database URL to the driver that speaks to it: reads the scheme, finds
 * libmigdrv_<name>.so, checks the file as strictly as a module, and loads it.
 * Connects to nothing. No message here repeats the URL: it may hold a password.
 */
#ifndef MIGHOST_DRIVER_H
#define MIGHOST_DRIVER_H

#include "auto.h"
#include "err.h"

#include <mig/driver.h>

#define DRIVER_PREFIX "libmigdrv_"
#define DRIVER_SUFFIX ".so"
#define DRIVER_NAME_SIZE 32

struct driver {
    const struct mig_driver *api;
    struct dso *dso;
};

/*
 * Loads the driver for `url`. `folder` is where drivers are, NULL or "" for the
 * installed ones. MIG_E_USAGE: no scheme, or none that a driver here serves
 * (those that are here are listed); MIG_E_REFUSED: the driver's file failed the
 * checks, or it is of another ABI. The functions of `*out` are gone with
 * driver_close(): close connections before.
 */
mig_status driver_open(const char *url, const char *folder, struct driver **out,
                       struct mig_err *err);
void driver_close(struct driver *driver);
AUTO_POINTER(driver, struct driver, driver_close)

/* The name of the driver that the URL asks for: "sqlite", "postgres". */
mig_status driver_name(const char *url, char out[DRIVER_NAME_SIZE], struct mig_err *err);

#endif
