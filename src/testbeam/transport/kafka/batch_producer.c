/* Kafka messages by the block: one call hands many of one layout to librdkafka, without an object of Python's for each.
 *
 * librdkafka is not linked: it comes within confluent_kafka under a name of its own, and its function as an address. What is used of
 * rdkafka.h (librdkafka 1.0 to 2.x, whose values never change) is declared here.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VTYPE_END = 0, VTYPE_RKT = 2, VTYPE_VALUE = 4, VTYPE_KEY = 5, VTYPE_MSGFLAGS = 7, VTYPE_TIMESTAMP = 8 };
enum { MSG_F_COPY = 2 };

typedef int (*producev)(void *producer, ...); /* rd_kafka_producev */

/* Of functions, as VERSION of batch_producer.py: raise both with any change of them. */
int batch_version(void) { return 1; }

int batch_one(producev produce, void *producer, void *topic, const char *value, size_t size, const char *key, size_t key_size, int64_t ms) {
    return produce(producer, VTYPE_RKT, topic, VTYPE_MSGFLAGS, MSG_F_COPY, VTYPE_VALUE, value, size, VTYPE_KEY, key, key_size,
                   VTYPE_TIMESTAMP, ms, VTYPE_END);
}

/* Hand over `n` messages of `size` bytes each, whose keys stand in them at `key_at`, behind their lengths (uint32). Return how many were
 * taken; where that is fewer, `error` is librdkafka's for the next one. */
int64_t batch_rows(producev produce, void *producer, void *topic, const char *rows, int64_t n, int64_t size, int64_t key_at,
                   const int64_t *ms, int *error) {
    for (int64_t i = 0; i < n; i++, rows += size) {
        uint32_t key_size;
        memcpy(&key_size, rows + key_at, sizeof key_size);
        *error = batch_one(produce, producer, topic, rows, (size_t)size, rows + key_at + sizeof key_size, key_size, ms[i]);
        if (*error) return i;
    }
    return n;
}
