#!/usr/bin/env python3
"""Reads a Walnut log without Walnut: a second decoder of format 1, written from docs/format.md alone.

    python3 tools/read-wal.py DIRECTORY

Prints one JSON object a line, in LSN order:

    {"type": "record", "lsn": 7, "kind": 0, "payload": "68656c6c6f"}
    {"type": "gap", "firstLsn": 8, "lastLsn": 9}                          lost to damage, salvaged around
    {"type": "unsupported", "firstLsn": 10, "lastLsn": 12, "codec": "lz4", "encrypted": false}
    {"type": "cursor", "name": "reader", "ackedLsn": 3}                   in the order of names
    {"type": "end", "firstLsn": 7, "lastLsn": 12, "tornBytes": 0}

Bodies that are not compressed or compressed with deflate are decoded; for others the standard library of Python has no decoder.
Exit code 1 and a line on standard error when the log is damaged: what was printed until then is right. Writes nothing, takes no
lock: for logs that nobody is writing to.
"""

import json
import os
import re
import struct
import sys
import zlib

SEGMENT_HEADER = struct.Struct("<4sHHQQ8sQIIQII")
FRAME_HEADER = struct.Struct("<4sIIIQIBBBBIIQ")
CHECKPOINT = struct.Struct("<4sHHQQQII")
CURSOR_HEAD = struct.Struct("<4sHHQQ")

DATA, ATTEST, SEAL, GAP = 1, 2, 3, 4
CONTINUES, ENCRYPTED = 1, 2
CODECS = ["none", "deflate", "snappy", "lz4", "zstd"]
MAX_INTEGER = 2**53 - 1
MAX_BODY_BYTES = 2**31 - 1
ENCRYPTION_OVERHEAD_BYTES = 44


class Damage(Exception):
    """The log is not what its files say."""


class Segment:
    """A segment file whose header is right."""

    def __init__(self, path, content):
        self.path = path
        self.content = content
        if len(content) < SEGMENT_HEADER.size:
            raise Damage(f"{path}: the header is cut off")
        (magic, version, flags, self.id, self.first_lsn, salt, self.previous_id, self.previous_end,
         self.previous_digest, _created, _reserved, checksum) = SEGMENT_HEADER.unpack_from(content)
        if magic != b"WLNT" or zlib.crc32(content[:60]) != checksum:
            raise Damage(f"{path}: the header is damaged")
        if version != 1 or flags != 0:
            raise Damage(f"{path}: format version {version} is newer than this program")
        self.digest = checksum
        self.salt_checksum = zlib.crc32(salt)


class Frame:
    """One frame that is valid by itself; `follows` says whether it is the next one."""

    def __init__(self, segment, offset, fields):
        (_magic, self.checksum, self.stored_bytes, self.raw_bytes, self.first_lsn, self.record_count, self.kind,
         self.codec, self.flags, _reserved, self.durable_offset, self.chain, _time) = fields
        self.offset = offset
        self.end = offset + frame_length(self.stored_bytes)
        body = offset + FRAME_HEADER.size
        self.stored = segment.content[body:body + self.stored_bytes]

    def follows(self, next_lsn, chain):
        return self.first_lsn == next_lsn and self.chain == chain

    @property
    def chain_behind(self):
        return self.raw_bytes if self.kind == GAP else self.checksum


def frame_length(stored_bytes):
    return FRAME_HEADER.size + (stored_bytes + 7) // 8 * 8


def frame_at(segment, offset):
    """The frame at an offset, or None when no valid one begins there."""
    content = segment.content
    if offset % 8 != 0 or offset + FRAME_HEADER.size > len(content):
        return None
    fields = FRAME_HEADER.unpack_from(content, offset)
    magic, checksum, stored_bytes, raw_bytes, first_lsn, record_count, kind, codec, flags, reserved, durable, _, time = fields
    if magic != b"FRM1" or stored_bytes > MAX_BODY_BYTES:
        return None
    end = offset + frame_length(stored_bytes)
    if end > len(content):
        return None
    seed = segment.salt_checksum ^ offset
    if zlib.crc32(content[offset + 8:end], seed) != checksum:
        return None
    if reserved != 0 or max(first_lsn, time) > MAX_INTEGER or durable > offset:
        return None
    if kind == DATA:
        is_encrypted = (flags & ENCRYPTED) != 0
        plain_bytes = stored_bytes - (ENCRYPTION_OVERHEAD_BYTES if is_encrypted else 0)
        if flags & ~(CONTINUES | ENCRYPTED) or record_count == 0 or plain_bytes < 0:
            return None
        if codec == 0 and raw_bytes != plain_bytes:
            return None
    elif kind in (ATTEST, SEAL):
        if flags != 0 or codec != 0 or record_count != 0 or stored_bytes != 64 or raw_bytes != 64:
            return None
    elif kind == GAP:
        if flags != 0 or codec != 0:
            return None
    else:
        return None
    return Frame(segment, offset, fields)


def frames_of(segment, end_offset):
    """Frames from the first on, and where the valid prefix ends."""
    frames = []
    offset, next_lsn, chain = SEGMENT_HEADER.size, segment.first_lsn, segment.digest
    while offset < end_offset:
        frame = frame_at(segment, offset)
        if frame is None or not frame.follows(next_lsn, chain) or frame.end > end_offset:
            break
        frames.append(frame)
        offset, next_lsn, chain = frame.end, frame.first_lsn + frame.record_count, frame.chain_behind
    return frames, offset, next_lsn, chain


def closed_frames(segment, successor):
    """Frames of a segment that another one follows: they must lead to the end that the successor names."""
    frames, offset, next_lsn, chain = frames_of(segment, successor.previous_end)
    if (offset, next_lsn, chain) != (successor.previous_end, successor.first_lsn, successor.previous_digest):
        raise Damage(f"{segment.path}: damage at offset {offset}, LSN {next_lsn}")
    return frames


def last_frames(segment):
    """Frames of the last segment up to its last whole batch, and how many bytes behind them are no part of the log."""
    frames, offset, next_lsn, _chain = frames_of(segment, len(segment.content))
    at = segment.content.find(b"FRM1", offset)
    while at >= 0:
        later = frame_at(segment, at)
        if later is not None and later.durable_offset > offset:
            raise Damage(f"{segment.path}: damage at offset {offset}, LSN {next_lsn}: a later frame vouches for it")
        at = segment.content.find(b"FRM1", at + 1)
    if frames and frames[-1].kind == SEAL:
        raise Damage(f"{segment.path}: the segment behind it is missing")
    while frames and frames[-1].flags & CONTINUES:
        frames.pop()
    end = frames[-1].end if frames else SEGMENT_HEADER.size
    return frames, len(segment.content.rstrip(b"\0")) - end


def records_of(frame, path):
    """(kind, payload) of each record, or None for a codec that Python has no decoder for."""
    if frame.flags & ENCRYPTED or frame.codec > 1:
        return None
    body = frame.stored
    if frame.codec == 1:
        decoder = zlib.decompressobj(-15)
        try:
            # One byte more than is allowed shows that there is more.
            body = decoder.decompress(body, frame.raw_bytes + 1)
        except zlib.error as error:
            raise Damage(f"{path}: the body at offset {frame.offset} does not inflate: {error}") from error
    records = []
    at = 0
    for _ in range(frame.record_count):
        if at + 4 > len(body):
            break
        (head,) = struct.unpack_from("<I", body, at)
        length = head & 0x0FFFFFFF
        records.append((head >> 28, body[at + 4:at + 4 + length]))
        at += 4 + length
    if len(body) != frame.raw_bytes or at != len(body) or len(records) != frame.record_count:
        raise Damage(f"{path}: the records at offset {frame.offset} do not fill the body")
    return records


def read_checkpoint(directory):
    """(first segment id, first LSN), or (0, 1) when there is none."""
    path = os.path.join(directory, "CHECKPOINT")
    if not os.path.exists(path):
        return 0, 1
    with open(path, "rb") as file:
        content = file.read()
    if len(content) != CHECKPOINT.size:
        raise Damage(f"{path}: damaged")
    magic, version, _, segment_id, first_lsn, _, _, checksum = CHECKPOINT.unpack(content)
    if magic != b"WCKP" or zlib.crc32(content[:36]) != checksum:
        raise Damage(f"{path}: damaged")
    if version != 1:
        raise Damage(f"{path}: format version {version} is newer than this program")
    return segment_id, first_lsn


def read_cursors(directory):
    folder = os.path.join(directory, "cursors")
    for file_name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if not file_name.endswith(".cursor"):
            continue
        path = os.path.join(folder, file_name)
        with open(path, "rb") as file:
            content = file.read()
        if len(content) < CURSOR_HEAD.size + 4:
            raise Damage(f"{path}: damaged")
        magic, version, name_bytes, acked_lsn, _ = CURSOR_HEAD.unpack_from(content)
        (checksum,) = struct.unpack("<I", content[-4:])
        if magic != b"WCUR" or zlib.crc32(content[:-4]) != checksum:
            raise Damage(f"{path}: damaged")
        if version != 1:
            raise Damage(f"{path}: format version {version} is newer than this program")
        name = content[CURSOR_HEAD.size:-4].decode("utf-8")
        if len(content) != CURSOR_HEAD.size + name_bytes + 4 or name + ".cursor" != file_name:
            raise Damage(f"{path}: damaged")
        yield name, acked_lsn


def read_segment(directory, segment_id):
    path = os.path.join(directory, f"{segment_id:012d}.wal")
    if not os.path.exists(path):
        raise Damage(f"{path}: the segment is missing")
    with open(path, "rb") as file:
        segment = Segment(path, file.read())
    if segment.id != segment_id:
        raise Damage(f"{path}: holds segment {segment.id}")
    return segment


def chain_of(directory, first_id):
    """Segments of the log, ascending: from the last one back to the first one that is needed."""
    names = [name for name in os.listdir(directory) if re.fullmatch(r"[0-9]{12}\.wal", name)]
    segment_id = max((int(name[:12]) for name in names), default=0)
    if segment_id < first_id or segment_id == 0:
        if first_id > 0:
            raise Damage(f"{directory}: segment {first_id} and all later ones are missing")
        return []
    segments = []
    while True:
        segment = read_segment(directory, segment_id)
        segments.insert(0, segment)
        if segment_id == first_id or segment.previous_id == 0:
            break
        segment_id = segment.previous_id
    if first_id > 0 and segments[0].id != first_id:
        raise Damage(f"{directory}: segment {first_id} is missing")
    return segments


def print_frame(frame, path, first_lsn):
    last_lsn = frame.first_lsn + frame.record_count - 1
    from_lsn = max(frame.first_lsn, first_lsn)
    if last_lsn < from_lsn or frame.kind in (ATTEST, SEAL):
        return
    if frame.kind == GAP:
        print_line(type="gap", firstLsn=from_lsn, lastLsn=last_lsn)
        return
    records = records_of(frame, path)
    if records is None:
        codec = CODECS[frame.codec] if frame.codec < len(CODECS) else str(frame.codec)
        is_encrypted = (frame.flags & ENCRYPTED) != 0
        print_line(type="unsupported", firstLsn=from_lsn, lastLsn=last_lsn, codec=codec, encrypted=is_encrypted)
        return
    for index, (kind, payload) in enumerate(records):
        lsn = frame.first_lsn + index
        if lsn >= first_lsn:
            print_line(type="record", lsn=lsn, kind=kind, payload=payload.hex())


def print_line(**fields):
    print(json.dumps(fields))


def read_log(directory):
    first_id, first_lsn = read_checkpoint(directory)
    segments = chain_of(directory, first_id)
    # A log can begin in the middle of a segment, but not before its first one.
    first_lsn = max(first_lsn, segments[0].first_lsn) if segments else first_lsn
    last_lsn, torn_bytes = first_lsn - 1, 0
    for index, segment in enumerate(segments):
        if index + 1 < len(segments):
            frames = closed_frames(segment, segments[index + 1])
        else:
            frames, torn_bytes = last_frames(segment)
        for frame in frames:
            print_frame(frame, segment.path, first_lsn)
        next_lsn = frames[-1].first_lsn + frames[-1].record_count if frames else segment.first_lsn
        last_lsn = max(last_lsn, next_lsn - 1)
    for name, acked_lsn in read_cursors(directory):
        print_line(type="cursor", name=name, ackedLsn=acked_lsn)
    print_line(type="end", firstLsn=first_lsn, lastLsn=last_lsn, tornBytes=max(0, torn_bytes))


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        read_log(arguments[0])
    except Damage as damage:
        sys.stdout.flush()
        print(f"damaged: {damage}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
