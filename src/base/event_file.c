/* TensorBoard's event files. */
#define _GNU_SOURCE
#include "base/event_file.h"

#include "base/bytes.h"
#include "base/event_file.pb-c.h"

#include <time.h>

typedef Dho__Tensorboard__Event event;
typedef Dho__Tensorboard__Summary__Value scalar;

/* CRC-32C (RFC 3720, appendix B.4: the polynomial 0x1edc6f41, reflected) in its masked form, as
 * the format demands it (TensorFlow's lib/hash/crc32c.h). A line of the log has 1 KiB: no table is
 * needed. */
static uint32_t masked_crc(const void *data, size_t bytes)
{
    const uint8_t *byte = data;
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= byte[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* A ProtobufCBuffer that is a growing text. */
typedef struct text_buffer {
    ProtobufCBuffer base;
    dho_text text; /* owned */
} text_buffer;

static void append(ProtobufCBuffer *buffer, size_t bytes, const uint8_t *data)
{
    dho_text_append(&((text_buffer *)buffer)->text, (const char *)data, bytes);
}

/* A record: its length, the length's checksum, the event, the event's checksum (TensorFlow's
 * lib/io/record_writer.h). */
static void add_record(dho_text *file, event *message)
{
    uint8_t head[12], tail[4];
    text_buffer buffer = {.base = {.append = append}};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    message->wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    dho__tensorboard__event__pack_to_buffer(message, &buffer.base);
    const dho_text *text = &buffer.text;
    dho_put_le(head, text->used, 8);
    dho_put_le(head + 8, masked_crc(head, 8), 4);
    dho_put_le(tail, masked_crc(text->data, text->used), 4);
    if (text->status != DHO_OK) file->status = text->status;
    dho_text_append(file, (const char *)head, sizeof head);
    dho_text_append(file, text->data, text->used);
    dho_text_append(file, (const char *)tail, sizeof tail);
    dho_text_free(&buffer.text);
}

void dho_event_add_version(dho_text *file)
{
    event message = DHO__TENSORBOARD__EVENT__INIT;
    message.what_case = DHO__TENSORBOARD__EVENT__WHAT_FILE_VERSION;
    message.file_version = "brain.Event:2";
    add_record(file, &message);
}

void dho_event_add_start(dho_text *file, int64_t step)
{
    event message = DHO__TENSORBOARD__EVENT__INIT;
    Dho__Tensorboard__SessionLog session = DHO__TENSORBOARD__SESSION_LOG__INIT;
    session.status = DHO__TENSORBOARD__SESSION_LOG__STATUS__START;
    message.step = step;
    message.what_case = DHO__TENSORBOARD__EVENT__WHAT_SESSION_LOG;
    message.session_log = &session;
    add_record(file, &message);
}

void dho_event_add_scalar(dho_text *file, int64_t step, const char *tag, double value)
{
    event message = DHO__TENSORBOARD__EVENT__INIT;
    Dho__Tensorboard__Summary summary = DHO__TENSORBOARD__SUMMARY__INIT;
    scalar number = DHO__TENSORBOARD__SUMMARY__VALUE__INIT, *numbers[] = {&number};
    number.tag = (char *)tag; /* packing only reads it */
    number.kind_case = DHO__TENSORBOARD__SUMMARY__VALUE__KIND_SIMPLE_VALUE;
    number.simple_value = (float)value;
    summary.n_value = 1;
    summary.value = numbers;
    message.step = step;
    message.what_case = DHO__TENSORBOARD__EVENT__WHAT_SUMMARY;
    message.summary = &summary;
    add_record(file, &message);
}
