/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/mgmt/publish_case.h"

#include "mgmt/publish/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *real_compiler;
struct publish_world w;

const char *script_until_flag(const char *first)
{
	char text[1024];
	snprintf(text, sizeof(text), "if [ -e %s/flag ]; then\n%s\nfi\nexec %s \"$@\"", w.dir,
		 first, real_compiler);
	return world_script(&w, text);
}

void set_flag(bool set)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/flag", w.dir);
	if (set)
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	else
		remove(path);
}

static bool has_failed_again(struct publish_world *world)
{
	return world_status(world).compile_failed_cnt == 1;
}

void run_failures(unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++) {
		w.publisher->status.compile_failed_cnt = 0;
		stele_pause_end(&w.publisher->pause);
		publish_go_on(w.publisher);
		world_run_until(&w, has_failed_again);
	}
}

void damage(off_t at, size_t size)
{
	int fd = open(w.image, O_RDWR | O_CLOEXEC);
	char bytes[64];
	memset(bytes, 0xa5, sizeof(bytes));
	assert_int_equal(pwrite(fd, bytes, size, at), size);
	close(fd);
}

bool has_mark(void)
{
	char path[160];
	snprintf(path, sizeof(path), "%s.boot", w.image);
	return access(path, F_OK) == 0;
}

bool has_compile_trouble(struct publish_world *world)
{
	return *world->trouble[TROUBLE_COMPILE];
}

bool has_responder_trouble(struct publish_world *world)
{
	return *world->trouble[TROUBLE_RESPONDER];
}

bool has_image(struct publish_world *world)
{
	struct stele_mapped_image *image = stele_images_take(world->images);
	stele_images_put(image);
	return image != NULL;
}

bool is_quiet(struct publish_world *world)
{
	return !world_status(world).compiling;
}
