# SPDX-License-Identifier: Apache-2.0
"""Where the parts of an image stand in its file (docs/image-format.md)."""
import struct


def root_off(image):
    """Of an image without a torn tail."""
    off = (len(image) - 256) // 4096 * 4096
    assert image[off:off + 8] == b"STELROOT"
    return off


def page_offs(image):
    """Where the directory's pages stand."""
    top, cnt = struct.unpack_from("<QI", image, root_off(image) + 48)
    return [struct.unpack_from("<Q", image, top + 16 * page)[0] for page in range(cnt)]


def refs(image):
    """The references of all shards, 64 bytes each."""
    shard_cnt, = struct.unpack_from("<I", image, root_off(image) + 12)
    pages = page_offs(image)
    return [image[pages[i // 64] + 64 * (i % 64):][:64] for i in range(shard_cnt)]


def shards(image):
    """[(offset, size)] of those that are present."""
    places = (struct.unpack_from("<QQ", ref) for ref in refs(image))
    return [(off, size) for off, size in places if size > 0]
