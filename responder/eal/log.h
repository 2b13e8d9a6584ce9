/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_EAL_LOG_H
#define STELE_RESPONDER_EAL_LOG_H

/*
 * DPDK's own lines. Drivers report as errors much that means nothing to the user of a port that
 * works, so while ports are set up the lines are held back: a failure brings them out, success
 * forgets all but warnings that come later.
 */
int stele_log_capture_dpdk(void); /* before the EAL starts; 0 or negative */
void stele_log_release_dpdk(int failed);

#endif
