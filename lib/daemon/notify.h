/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DAEMON_NOTIFY_H
#define STELE_LIB_DAEMON_NOTIFY_H

/*
 * Tells the service manager how things stand (sd_notify(3)): one datagram to the socket that
 * NOTIFY_SOCKET names; nothing where there is none. `state` holds lines such as "READY=1". Where the manager
 * does not read, it is waited for a tenth of a second, and the word is lost. Any thread.
 *
 * Written here since libsystemd would bring a shared library of a megabyte into a process that
 * faces the network, for one sendto().
 */
void stele_notify(const char *state);

#endif
