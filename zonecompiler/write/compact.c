/* SPDX-License-Identifier: Apache-2.0 */
/* What an image's last root reaches, copied into a new file that takes its name. */
#include "zonecompiler/write/update_internal.h"

/* The bytes come out of the image itself, checksums and digests too: nothing is carved. */
static int copy_shard(struct stele_image_file *file, const struct stele_view *view, uint32_t shard,
		      struct stele_error *reterr)
{
	const struct stele_shard_ref *ref = stele_view_ref(view, shard);
	uint64_t size = stele_le64(ref->size);
	if (ref->kind == STELE_SHARD_NONE)
		return 0;
	return stele_image_copy(file, shard, ref, stele_image_place(file, size),
				view->bytes + stele_le64(ref->off), reterr);
}

int update_compact(const char *path, struct stele_image_size *ret_size, struct stele_error *reterr)
{
	struct stele_view view;
	int rc = stele_view_open_file(path, &view, reterr);
	if (rc < 0)
		return rc;
	const struct stele_superblock *sb = (const void *)view.bytes;
	struct stele_image_file file;
	rc = stele_image_create(&file, path, sb, reterr);
	if (rc < 0) {
		stele_view_close(&view);
		return rc;
	}
	rc = stele_image_resize(&file, view.shard_cnt, reterr);
	for (uint32_t i = 0; rc == 0 && i < view.shard_cnt; i++)
		rc = copy_shard(&file, &view, i, reterr);
	struct stele_root root;
	memcpy(&root, view.bytes + view.root_off, sizeof(root));
	if (rc == 0)
		rc = stele_image_finish(&file, &root, ret_size, reterr);
	else
		stele_image_abort(&file);
	stele_view_close(&view);
	return rc;
}
