/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_SERVING_WORDS_H
#define STELE_LIB_SERVING_WORDS_H

/* Words that responder and daemon both say over their control sockets (docs/control-protocol.md). */

/* "nsec", "nsec3" or "none": how a zone with a chain of this kind (STELE_CHAIN_...) is signed. */
const char *stele_signed_word(unsigned chain_kind);

#endif
