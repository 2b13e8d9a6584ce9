/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/publish/internal.h"

#include "lib/base/clock.h"
#include "mgmt/publish/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void publish_trouble(struct stele_publisher *publisher, const char *what, const char *text)
{
	if (publisher->settings.trouble)
		publisher->settings.trouble(publisher->settings.user, what, text);
}

/* What is served by all: this daemon has its mapping, the responder has said so. */
void publish_check_served(struct stele_publisher *publisher)
{
	struct stele_publisher_status *status = &publisher->status;
	struct stele_mapped_image *image;

	if (publisher->is_first)
		return;
	if (publisher->link && publisher->loaded < status->compiled) {
		image = publisher->loaded_image;
		publisher->loaded_image = NULL;
	} else {
		image = stele_images_take(publisher->images);
	}
	if (image && image->generation > status->served) {
		status->served = image->generation;
		if (publisher->settings.served)
			publisher->settings.served(publisher->settings.user, image);
	}
	stele_images_put(image);
}

void publish_forget_loaded(struct stele_publisher *publisher)
{
	publisher->loaded = 0;
	stele_images_put(publisher->loaded_image);
	publisher->loaded_image = NULL;
}

int publish_open(struct stele_publisher *publisher, struct stele_error *reterr)
{
	struct stele_publisher_status *status = &publisher->status;
	int failed = stele_images_open(publisher->images, publisher->image, reterr);

	if (failed)
		return failed;
	struct stele_mapped_image *image = stele_images_take(publisher->images);
	status->compiled = image->generation;
	status->image_sz = image->view.bytes_sz;
	status->garbage_sz = image->view.live_sz < image->view.bytes_sz ?
				     image->view.bytes_sz - image->view.live_sz :
				     0;
	stele_images_put(image);
	if (publisher->link)
		stele_link_load(publisher->link, publisher->epoch);
	return 0;
}

/* ---- the responder ---- */

static void on_begun(void *user)
{
	struct stele_publisher *publisher = user;

	stele_images_put(publisher->loading);
	publisher->loading = stele_images_take(publisher->images);
}

static void on_loaded(void *user, uint64_t epoch, uint64_t generation, uint64_t ns)
{
	struct stele_publisher *publisher = user;

	publisher->status.load_cnt++;
	publisher->status.load_last_ns = ns;
	if (epoch == publisher->epoch) {
		publisher->loaded = generation;
		stele_images_put(publisher->loaded_image);
		publisher->loaded_image = publisher->loading;
		publisher->loading = NULL;
	}
	if (*publisher->status.responder_error) {
		*publisher->status.responder_error = '\0';
		publish_trouble(publisher, "responder", NULL);
	}
	publish_check_served(publisher);
}

static void on_refused(void *user, int status, const char *text)
{
	struct stele_publisher *publisher = user;

	publisher->status.load_failed_cnt++;
	snprintf(publisher->status.responder_error, sizeof(publisher->status.responder_error), "%s",
		 text);
	publish_trouble(publisher, "responder", publisher->status.responder_error);
	/* It has verified every byte, which nobody else does: the file is damaged. */
	if (status == STELE_E_INPUT && !publisher->is_first) {
		publisher->build_anew = true;
		if (!publisher->child)
			stele_pause_begin(&publisher->pause);
		publish_go_on(publisher);
	}
}

static void on_changed(void *user, const char *text)
{
	struct stele_publisher *publisher = user;

	if (text) {
		publish_forget_loaded(publisher); /* the one that comes tells what it serves */
		snprintf(publisher->status.responder_error,
			 sizeof(publisher->status.responder_error), "%s", text);
	} else {
		*publisher->status.responder_error = '\0';
	}
	publish_trouble(publisher, "responder", text);
}

static int make_link(struct stele_publisher *publisher, struct stele_error *reterr)
{
	const struct stele_link_settings settings = {
		.responder = publisher->responder,
		.image = publisher->image,
		.begun = on_begun,
		.loaded = on_loaded,
		.refused = on_refused,
		.changed = on_changed,
		.user = publisher,
	};

	return publisher->responder ?
		       stele_link_new(publisher->loop, &settings, &publisher->link, reterr) :
		       0;
}

/* ---- what is called ---- */

static void on_timer(evutil_socket_t fd, short events, void *user)
{
	(void)fd;
	(void)events;
	publish_go_on(user);
}

static int copy_texts(struct stele_publisher *publisher,
		      const struct stele_publisher_settings *settings, struct stele_error *reterr)
{
	publisher->compiler = strdup(settings->compiler);
	publisher->store = strdup(settings->store);
	publisher->image = strdup(settings->image);
	publisher->responder = settings->responder ? strdup(settings->responder) : NULL;
	if (!publisher->compiler || !publisher->store || !publisher->image ||
	    (settings->responder && !publisher->responder))
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	return 0;
}

/* Whether it is still what the store has tells the first round. */
void publish_open_first(struct stele_publisher *publisher)
{
	struct stele_error err;

	if (access(publisher->image, F_OK) != 0) {
		publisher->build_anew = true;
		return;
	}
	int failed = publish_open(publisher, &err);
	if (!failed)
		return;
	publisher->build_anew = failed == STELE_E_INPUT;
	publisher->image_told = true;
	publish_trouble(publisher, "image", err.text);
}

int stele_publisher_new(struct stele_loop *loop, struct stele_images *images,
			const struct stele_publisher_settings *settings,
			struct stele_publisher **ret_publisher, struct stele_error *reterr)
{
	struct stele_publisher *publisher = calloc(1, sizeof(*publisher));

	if (!publisher)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	publisher->loop = loop;
	publisher->images = images;
	publisher->settings = *settings;
	publisher->is_first = true;
	int failed = copy_texts(publisher, settings, reterr);
	if (!failed) {
		publisher->timer = evtimer_new(stele_loop_base(loop), on_timer, publisher);
		failed = publisher->timer ? make_link(publisher, reterr) :
					    stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	}
	if (failed) {
		stele_publisher_free(publisher);
		return failed;
	}
	publisher->is_suspect = access(publisher->image, F_OK) == 0 &&
				stele_boot_is_suspect(publisher->image);
	if (publisher->is_suspect)
		publish_go_on(publisher);
	else
		publish_open_first(publisher);
	*ret_publisher = publisher;
	return 0;
}

void stele_publisher_free(struct stele_publisher *publisher)
{
	if (!publisher)
		return;
	stele_child_kill(publisher->child);
	stele_child_kill(publisher->compactor);
	stele_flush_free(publisher->flush);
	if (publisher->may_not_sync && !publisher->build_anew)
		stele_boot_unmark(publisher->image);
	stele_link_free(publisher->link);
	stele_images_put(publisher->loading);
	publish_forget_loaded(publisher);
	if (publisher->timer)
		event_free(publisher->timer);
	free(publisher->compiler);
	free(publisher->store);
	free(publisher->image);
	free(publisher->responder);
	free(publisher);
}

void stele_publisher_want(struct stele_publisher *publisher, uint64_t generation)
{
	if (generation <= publisher->status.wanted && !publisher->is_first)
		return;
	publisher->status.wanted = generation;
	publisher->wanted_ns = stele_clock_ns();
	publish_go_on(publisher);
}

void stele_publisher_status(const struct stele_publisher *publisher,
			    struct stele_publisher_status *ret_status)
{
	*ret_status = publisher->status;
	ret_status->responder_up = !publisher->link || stele_link_is_up(publisher->link);
}
