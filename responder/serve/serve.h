/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_SERVE_H
#define STELE_RESPONDER_SERVE_SERVE_H

/*
 * The image that is served, and how another takes its place.
 *
 * One *control thread* loads images; any number of *readers* (workers) look at the one that is current.
 * Loading copies the shards that are not here yet into the arena, verifies what it copied, and
 * publishes a new view by one pointer; what no image holds any more is freed when every reader has
 * said that it holds nothing (userspace RCU, the QSBR kind: readers pay one plain store a burst).
 *
 * The image before the current one is kept for stele_serve_rollback(). Images share the shards in which
 * they do not differ, so an update costs the memory of the shards that it changed.
 *
 * The file that an image comes from is not trusted: it may be wrong in any byte, written to, or cut while it is
 * read. A refused image changes nothing. The one exception is the image of a start (`map_first`): that is served
 * from the mapping of its file (mapping.h) until it has been moved into the arena, and its owner must leave
 * the file alone so long.
 *
 * On a machine with several sockets, open one of these for each, with the node in its arena options,
 * and load into each.
 */

#include "lib/base/error.h"
#include "lib/image/findings.h"
#include "lib/image/view.h"
#include "responder/serve/arena.h"
#include "responder/serve/stamp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <urcu/urcu-qsbr.h>

/* ---- readers ---- */

/* What readers look at. Alone in its cache line: it is written only by a load. */
struct stele_serve_root {
	const struct stele_view *view; /* NULL until the first load */
} __attribute__((aligned(64)));

/* Tells ThreadSanitizer, which does not see into liburcu, what a quiescent state orders. */
void stele_serve_note_quiescent(void);
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STELE_SERVE_NOTES 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define STELE_SERVE_NOTES 1
#endif
#ifndef STELE_SERVE_NOTES
#define STELE_SERVE_NOTES 0
#endif

/*
 * A thread is a reader between _reader_begin() and _reader_end(). In between it calls
 * _reader_quiescent() once per burst, empty bursts too, at a point where it holds no view: a reader that
 * does not holds up every load. Around anything that may block or take long it goes offline.
 * The control thread is not a reader.
 */
static inline void stele_serve_reader_begin(void)
{
	urcu_qsbr_register_thread();
}

static inline void stele_serve_reader_end(void)
{
	if (STELE_SERVE_NOTES)
		stele_serve_note_quiescent();
	urcu_qsbr_unregister_thread();
}

static inline void stele_serve_reader_quiescent(void)
{
	if (STELE_SERVE_NOTES)
		stele_serve_note_quiescent();
	urcu_qsbr_quiescent_state();
}

static inline void stele_serve_reader_offline(void)
{
	if (STELE_SERVE_NOTES)
		stele_serve_note_quiescent();
	urcu_qsbr_thread_offline();
}

static inline void stele_serve_reader_online(void)
{
	urcu_qsbr_thread_online();
}

/*
 * The view to answer a burst from, or NULL. Once per burst, so that a burst sees one version; good until
 * the reader's next quiescent state. Its `generation` is the store's, its `serial` differs from that
 * of every view published before: what a worker publishes as seen.
 */
static inline const struct stele_view *stele_serve_view(const struct stele_serve_root *root)
{
	return __atomic_load_n(&root->view, __ATOMIC_ACQUIRE);
}

/* ---- control thread ---- */

#define STELE_SERVE_NAME_MAX 512

struct stele_serve_options {
	struct stele_arena_options arena;
	/* Threads that copy and verify while no reader is registered: use what cores there are, nobody
	 * waits for them. 0: as many as the calling thread may run on then, at most 16. */
	unsigned start_threads;
	/* The same while serving. More are done sooner, but on cores of workers they delay bursts.
	 * 0: 1. */
	unsigned load_threads;
	/* How long a load waits for a reader that says nothing; 0: 10 s. */
	uint32_t reader_timeout_ms;
	/*
	 * The first image is served from the mapping of its file. If the file has the stamp that it had
	 * when digests were compared, that is not done again; else they are compared, and whatever there
	 * are no findings about is verified, in the mapping. The move into the arena is the caller's to begin.
	 */
	bool map_first;
};

/* What a load did. Times in ns of the monotonic clock. */
struct stele_serve_load_info {
	uint64_t generation; /* of the store that the image was made from */
	uint64_t serial;     /* of the view: see stele_serve_view() */
	uint32_t shard_cnt;  /* that are there, not counting absent ones */
	uint32_t copied_cnt;
	uint64_t copied_sz;
	uint32_t shared_cnt; /* with the current image or the one before it */
	uint64_t shared_sz;
	bool unchanged;   /* it is the very image that is served: nothing was published */
	bool incremental; /* judged by what differs from the current image (docs/architecture.md) */
	bool recalled;    /* taken from findings, but for what may differ from the image of that */
	bool mapped;      /* served from the mapping of its file */
	bool known_file;  /* and digests were not compared: the file has the stamp of before */
	bool dropped_previous; /* the arena had no room for three: a rollback is not possible any more
				* to what was before */
	uint64_t head_ns;      /* superblock, root, directory */
	uint64_t copy_ns;      /* the wall time of reading and of digests */
	uint64_t verify_ns;    /* records, offsets, totals */
	uint64_t grace_ns;     /* until every reader had left the view before */
};

struct stele_serve;

/* Reserves the arena; serves nothing yet. Errors as stele_arena_open(). */
int stele_serve_open(const struct stele_serve_options *options, struct stele_serve **ret_serve,
		     struct stele_error *reterr);

/* No reader may be left. NULL is fine. */
void stele_serve_close(struct stele_serve *serve);

/* What readers take views from; stays where it is until stele_serve_close(). */
const struct stele_serve_root *stele_serve_root(const struct stele_serve *serve);

/*
 * Makes the image in the file `fd` the current one. The descriptor stays the caller's; its file offset
 * is not used. `name` is what status and messages call it. Returns when every reader that is online
 * has left the view before: each burst that begins after it sees this image or a later one.
 *
 * STELE_E_INPUT: the image is damaged or malformed; the text says what and at which byte of the file.
 * STELE_E_SYSTEM: the file cannot be read, the arena or memory is full. In both cases readers notice
 * nothing and the current image stays. (The one before it is given up if the arena is too full for
 * all three; after a failure, `has_previous` of stele_serve_status() tells.)
 * STELE_E_STALE: a reader stands still. Mostly nothing was published then, and nothing will be until it goes
 * on; if it stopped in the very moment of publishing, the image is current, and that reader has not seen it.
 */
int stele_serve_load(struct stele_serve *serve, int fd, const char *name,
		     struct stele_serve_load_info *ret_info, struct stele_error *reterr);

/* As stele_serve_load(), as if the file ended behind its first `end` bytes: an older root of it. */
int stele_serve_load_until(struct stele_serve *serve, int fd, uint64_t end, const char *name,
			   struct stele_serve_load_info *ret_info, struct stele_error *reterr);

/*
 * What a process before this one found out, for loads as long as nothing is served: an image of which only
 * digests are compared. A newer or older root of the same file is judged by what differs from it. Whatever
 * does not fit them is verified in full. `stamped` (or NULL): the file whose digests need not be compared to serve
 * from its mapping. The caller keeps both, and takes them away (NULL).
 */
void stele_serve_trust(struct stele_serve *serve, const struct stele_findings *findings,
		       const struct stele_stamped *stamped);

/* The findings on the current image. STELE_E_NOTFOUND: there is none; STELE_E_SYSTEM: no memory. */
int stele_serve_findings(const struct stele_serve *serve, struct stele_findings *ret_findings,
			 struct stele_error *reterr);

/*
 * Exchanges the current image and the one before it; doing it twice leads back. Waits for readers as a
 * load does. STELE_E_NOTFOUND: none is kept. `ret_info` may be NULL.
 */
int stele_serve_rollback(struct stele_serve *serve, struct stele_serve_load_info *ret_info,
			 struct stele_error *reterr);

/*
 * The same in steps, for who has to do something between them, or has several of these to keep in step:
 * either _prepare() or _prepare_rollback() makes the next image, and waits until readers have left all
 * but the current one; then either _publish() or _discard() ends it, and nothing else may be done before.
 * An image of which the info says `unchanged` must be discarded. After _publish() readers see it,
 * and after _await() they see nothing else (STELE_E_STALE: one of them stands still). Errors of the first
 * two are those of a load and a rollback.
 */
struct stele_serve_next;
int stele_serve_prepare(struct stele_serve *serve, int fd, uint64_t end, const char *name,
			struct stele_serve_next **ret_next, struct stele_error *reterr);
int stele_serve_prepare_rollback(struct stele_serve *serve, struct stele_serve_next **ret_next,
				 struct stele_error *reterr);
const struct stele_view *stele_serve_next_view(const struct stele_serve_next *next);
const struct stele_serve_load_info *stele_serve_next_info(const struct stele_serve_next *next);
void stele_serve_publish(struct stele_serve *serve, struct stele_serve_next *next);
void stele_serve_discard(struct stele_serve *serve, struct stele_serve_next *next);
int stele_serve_await(struct stele_serve *serve, struct stele_error *reterr);

/* Lets a load or a move that is being prepared fail soon (STELE_E_SYSTEM), and each that follows: it looks between
 * shards, as they are copied and verified. Any thread. */
void stele_serve_give_up(struct stele_serve *serve);

/* ---- from the mapping of a file into the arena ---- */

/* As the option. */
void stele_serve_map_first(struct stele_serve *serve, bool map_first);

/* The current image is served from a mapping. A load while it is shares nothing with it, and takes its place. */
bool stele_serve_in_mapping(const struct stele_serve *serve);

/*
 * Copies the current image out of its file into the arena, as a load at a start does it without a mapping: digests
 * are compared, and it is verified in full unless there are findings. Then as stele_serve_prepare(). What was in the
 * mapping is not kept for a rollback. STELE_E_NOTFOUND: the current image is not in a mapping. STELE_E_INPUT: the
 * file is not what is served, or what is served is not sound: it must be withdrawn.
 */
int stele_serve_prepare_move(struct stele_serve *serve, int fd, struct stele_serve_next **ret_next,
			     struct stele_error *reterr);

/*
 * Ends serving an image from a mapping: readers see none, and what is loaded next goes into the arena. STELE_E_STALE: a
 * reader stands still; it sees none as soon as it goes on. STELE_E_NOTFOUND: the current image is not in a mapping.
 */
int stele_serve_withdraw(struct stele_serve *serve, struct stele_error *reterr);

/* The stamp of the file of which each shard of the current image was read into the arena. STELE_E_NOTFOUND: the file
 * has changed since, or just before, or only a part was read. */
int stele_serve_stamped(const struct stele_serve *serve, struct stele_stamped *ret_stamped);

/* Whether an address is in a mapping of an image: for a handler of SIGBUS. Any thread. */
bool stele_serve_is_mapped(const void *address);

struct stele_serve_image {
	char name[STELE_SERVE_NAME_MAX]; /* as given to the load, cut if longer */
	uint64_t generation, serial;
	uint64_t root_off; /* of its root in its file */
	uint64_t name_cnt, rr_cnt;
	uint32_t zone_cnt;
	uint32_t shard_cnt;    /* that are there */
	uint64_t shards_sz;    /* bytes of all of them */
	uint64_t exclusive_sz; /* bytes of those that no other image here holds */
	uint64_t loaded_at;    /* seconds since 1970 */
	bool mapped;           /* served from the mapping of its file, not from the arena */
};

struct stele_serve_status {
	bool has_current, has_previous;
	struct stele_serve_image current, previous;
	struct stele_arena_use arena;
	uint64_t load_cnt;    /* images published, rollbacks included */
	uint64_t refused_cnt; /* loads that failed */
};

void stele_serve_status(const struct stele_serve *serve, struct stele_serve_status *ret_status);

struct stele_serve_zone {
	const uint8_t *apex; /* wire format, lower case; good until the callback returns */
	uint8_t apex_len;
	bool expired;
	uint8_t chain_kind; /* enum stele_chain_kind */
	uint32_t zone_id;
	uint32_t serial; /* of its SOA */
	uint64_t name_cnt, rr_cnt;
};

/*
 * Calls `visit` for each zone of the current image, in no order; what it returns other than 0 ends the
 * walk and is the result. 0 without an image.
 */
int stele_serve_zones(const struct stele_serve *serve,
		      int (*visit)(void *user, const struct stele_serve_zone *zone), void *user);

/* The same for an image that may not be served yet. */
int stele_serve_view_zones(const struct stele_view *view,
			   int (*visit)(void *user, const struct stele_serve_zone *zone),
			   void *user);

/* The zone with this apex (wire format, any case). STELE_E_NOTFOUND: not in the current image. */
int stele_serve_zone(const struct stele_serve *serve, const uint8_t *apex, size_t apex_len,
		     struct stele_serve_zone *ret_zone);

#endif
